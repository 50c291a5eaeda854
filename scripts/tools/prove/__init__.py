"""Every proof that a contract passes, run for the contracts of a folder on a fresh server."""
