"""All that stands between the socket and a handler."""
