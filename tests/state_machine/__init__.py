"""One directory behind five doors, driven at random and held against a small reference at every step."""
