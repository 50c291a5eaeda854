"""Fuzzing: Schemathesis against a real server, with every contract, anonymous and logged in; and random walks."""
