"""Client libraries, generated from the contracts and built."""
