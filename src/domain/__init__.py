"""What the product decides."""
