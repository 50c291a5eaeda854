"""What ends the making of clients."""


class Stumbled(Exception):
    """A generator or a compiler is not content with what it got."""

    exit_code = 1
