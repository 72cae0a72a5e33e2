"""Where the product counts what it did."""
