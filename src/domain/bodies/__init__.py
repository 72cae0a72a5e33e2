"""The texts inside a request body."""
