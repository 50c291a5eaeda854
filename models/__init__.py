"""The directory: accounts, sessions and what belongs to them. Knows no HTTP."""
