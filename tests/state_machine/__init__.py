"""One directory behind five clients, driven at random and held against a small reference at every step."""
