"""What went wrong with a delivery, in words that are no secret."""


class PermanentFailure(Exception):
    """Raised when a message can never be delivered; the text says why, without recipient and content."""


def reason(error: Exception) -> str:
    """Say in a few words why a delivery failed: what a server answered may quote the message, its number does not."""
    if isinstance(error, PermanentFailure):
        return str(error)
    number = getattr(error, "smtp_code", None) or getattr(error, "errno", None)
    return f"{type(error).__name__} {number}" if number else type(error).__name__
