"""All that stands between the socket and a handler."""

import sys
import warnings
from types import ModuleType
from typing import cast

__version__ = "0.2.0"

# Connexion loads Starlette's client for tests, which says on every start what it would rather be used with,
warnings.filterwarnings("ignore", "Using `httpx` with `starlette.testclient`")
# and httpx with its own command, which brings colours and highlighting for terminals: 4 MiB and 30 ms
sys.modules.update(dict.fromkeys(("httpx._main", "httpx2._main"), cast("ModuleType", None)))
