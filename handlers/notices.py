"""What people are told by short message and by mail."""

from models import rules
from models.outbox import Notice
from models.rules import MINUTE

RESET_PAGE = "/indexy-api/api/v1/users/password/email/link"


def code(code: str) -> Notice:
    """Word the short message with a recovery code."""
    minutes = rules.current.mobile_code_seconds // MINUTE
    return Notice(
        "",
        f"您的短信验证码是 {code}，{minutes} 分钟内有效。如非本人操作，请忽略。"
        f" Your code is {code}, valid for {minutes} minutes.",
    )


def link(secret: str) -> Notice:
    """Word the mail with a link to the reset page."""
    minutes = rules.current.email_link_seconds // MINUTE
    address = f"{rules.current.public_url.rstrip('/')}{RESET_PAGE}?code={secret}"
    return Notice(
        "重设密码",
        f"您好：\n\n请打开以下链接重设密码，{minutes} 分钟内有效，只能使用一次：\n\n{address}\n\n"
        "如非本人操作，请忽略此邮件，您的密码不会改变。\n\n"
        f"Open the link above to set a new password. It works once, for {minutes} minutes. "
        "If you did not ask for it, ignore this mail: your password stays as it is.\n",
    )
