"""The API's side: connections, transports and WebSockets."""
