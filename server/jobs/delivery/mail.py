"""A message as a mail (RFC 5322)."""

from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, parseaddr

from models.outbox import OutboxMessage


def as_mail(message: OutboxMessage, sender: str, encoding: str) -> EmailMessage:
    """Return the mail that bears the message's number, so that whoever gets it twice can tell.

    encoding: how the text is transferred: `8bit` can be read as it is, `base64` passes every server.
    """
    mail = EmailMessage(policy=SMTP if message.recipient.isascii() else SMTPUTF8)
    mail["From"] = sender
    mail["To"] = message.recipient
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(message.created)
    mail["Message-ID"] = f"<{message.id}.{message.created}.{parseaddr(sender)[1]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text, cte=encoding)
    return mail


def check_sender(sender: str) -> None:
    """Raise ValueError unless mail may come from there: an address, or a name and <an address>."""
    name, _, domain = parseaddr(sender)[1].rpartition("@")
    if not (name and domain and sender.isascii() and sender.isprintable()):
        raise ValueError("an e-mail address is expected")
