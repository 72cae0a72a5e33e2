"""What offline evaluation reads, runs on and draws."""
