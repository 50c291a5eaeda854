"""What ends the making of clients."""


class Stumbled(Exception):
    """A generator or a compiler is not content with what it got."""

    exit_code = 1


class CannotBeHad(Exception):
    """npm, or what npm should bring, is not there, such as without a network."""

    exit_code = 75
