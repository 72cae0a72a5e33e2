"""The client's side: the server, its guard, the relay and the proxy's own pages."""
