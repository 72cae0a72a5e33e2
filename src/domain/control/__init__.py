"""Who decides what is compressed: settings, rules and the request itself."""
