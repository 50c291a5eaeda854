"""What proofs share: one client per contract, made of its journey and its spec."""
