"""What compression needs from outside the domain: encodings, threads and foreign strategies."""
