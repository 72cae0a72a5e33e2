"""What HTTP asks of whoever stands between a client and the API."""
