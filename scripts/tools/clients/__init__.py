"""Client libraries, generated from the contracts and built."""

ADDRESS = "http://127.0.0.1:8000"
"""Where a client looks for the server until it is told; a fresh server's own address."""
