"""All that stands between the socket and a handler."""

import warnings

__version__ = "0.2.0"

# Connexion loads Starlette's client for tests, which says on every start what it would rather be used with
warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient`")
