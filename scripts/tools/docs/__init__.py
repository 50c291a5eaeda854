"""The documentation site: pages written by hand in `pages/`, and pages made of specs, code, journeys and ledger."""
