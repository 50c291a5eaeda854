"""Mutants of the contracts: what is changed in a spec must be seen by a proof."""
