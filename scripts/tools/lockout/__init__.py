"""Simulated days of an attacker and an owner, through the server's own limits, on a clock that is set."""
