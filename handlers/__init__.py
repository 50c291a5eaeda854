"""The contracts' words: one module per contract, one plain function per operationId."""
