"""Does an answer tell who has an account: pairs of requests, known and unknown, and what sets them apart."""
