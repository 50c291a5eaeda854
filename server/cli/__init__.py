"""The operator's command: accounts, access keys, projects and the store, from a shell beside the server."""
