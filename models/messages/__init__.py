"""What people are told by mail and by short message, in the language that the operator chose.

The words stand in files, one folder per language: `<name>.sms` is the text, `<name>.mail` has its subject in the first
line and the text after an empty one. `$name` stands for a value.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from string import Template

from models import clock, settings
from models.outbox import Notice

FOLDER = Path(__file__).parent
LANGUAGES = tuple(sorted(folder.name for folder in FOLDER.iterdir() if folder.is_dir() and folder.name.isalpha()))


def compose(file: str, **values: object) -> Notice:
    """Put values into the words of a file."""
    text = _template(settings.current.language, file).substitute(values)
    if file.endswith(".sms"):
        return Notice("", text.strip())
    subject, _, body = text.partition("\n\n")
    return Notice(subject, body)


def changed(what: str, **values: object) -> Notice:
    """Word the mail that something about an account has just changed: `password`, `username`, `mobile`, `email_left`,
    `email_set`, `email_taken`, `email_lost`, `mobile_lost`, `username_lost`."""
    time = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%d %H:%M UTC")
    return compose(f"{what}.mail", time=time, **values)


@cache
def _template(language: str, file: str) -> Template:
    return Template((FOLDER / language / file).read_text("utf-8"))
