"""The sandbox: the real server on a throw-away store, with a clock that stands still, for who tests a client.

`./scripts/serve --sandbox` loads it; a production never does. Its contract stands here, beside its handlers, and is
served as one of a folder of contracts.
"""
