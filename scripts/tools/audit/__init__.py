"""Known vulnerabilities of the packages that serve."""
