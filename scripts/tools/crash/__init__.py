"""Crash tests: clients write through five doors while processes are killed; then every acknowledged write is sought.

A town is a store with the servers over it (town.py, cluster.py). Writers act in it (writers.py) and keep a journal of
what they were told (journal.py). After each kill an inspector compares (inspection.py).
"""
