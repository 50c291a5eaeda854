"""What a code and a link are sent with."""

from models import settings
from models.messages import compose
from models.outbox import Notice
from models.settings import MINUTE

RESET_PAGE = "/indexy-api/api/v1/users/password/email/link"


def code(code: str) -> Notice:
    """Word the short message with a recovery code."""
    return compose("code.sms", code=code, minutes=settings.current.mobile_code_seconds // MINUTE)


def link(secret: str) -> Notice:
    """Word the mail with a link to the reset page."""
    address = f"{settings.current.public_url.rstrip('/')}{RESET_PAGE}?code={secret}"
    return compose("link.mail", address=address, minutes=settings.current.email_link_seconds // MINUTE)
