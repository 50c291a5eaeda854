"""Names: how they are compared."""

import unicodedata


def fold(name: str) -> str:
    """Return the form in which names are compared: NFKC and case folding."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
