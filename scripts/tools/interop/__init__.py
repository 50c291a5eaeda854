"""The published contracts in the hands of tools that nobody here wrote: generators, mocks, linters, collections."""
