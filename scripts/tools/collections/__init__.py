"""Postman collections: each contract's journey, as requests that Postman and newman run."""
