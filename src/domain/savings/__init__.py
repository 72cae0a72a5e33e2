"""What was billed, and what compression saved or lost of it."""
