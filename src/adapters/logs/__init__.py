"""Where the product says what it did."""
