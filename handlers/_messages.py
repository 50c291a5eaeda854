"""What a code and a link are sent with."""

from models import settings
from models.messages import compose
from models.outbox import Notice
from models.settings import MINUTE

RESET_PAGE = "/indexy-api/api/v1/users/password/email/link"


def code(code: str) -> Notice:
    """Word the short message with a recovery code."""
    return compose("code.sms", code=code, minutes=settings.current.mobile_code_seconds // MINUTE)


def links(accounts: list[tuple[str, str]]) -> Notice:
    """Word the mail with a link to the reset page: one for each username, which is told where there are several."""
    page = f"{settings.current.public_url.rstrip('/')}{RESET_PAGE}"
    lines = [f"{_shown(username)}\n{page}?code={secret}" for username, secret in accounts]
    told = "\n\n".join(lines) if len(lines) > 1 else lines[0].rpartition("\n")[2]
    return compose("link.mail", address=told, minutes=settings.current.email_link_seconds // MINUTE)


def confirm_email(username: str, code: str) -> Notice:
    """Word the mail with the code that proves an address."""
    minutes = settings.current.email_link_seconds // MINUTE
    return compose("confirm.mail", username=_shown(username), code=code, minutes=minutes)


def confirm_mobile(username: str, code: str) -> Notice:
    """Word the short message with the code that proves a number."""
    return compose("code.sms", code=code, minutes=settings.current.mobile_code_seconds // MINUTE)


def _shown(username: str) -> str:
    """Return a username as it may stand in a message: without what marks a seal."""
    return username.replace("⟦", "[").replace("⟧", "]")
