"""Names and e-mail addresses are compared without the characters that show nothing: write their keys anew."""

import re
import unicodedata
from typing import Any

import peewee

BATCH = 10_000
UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def up(migrator: Any, db: Any) -> None:
    """Write the keys that change; one that is another account's already stays, and `db check` tells of it."""

    class Account(peewee.Model):
        id = peewee.BigIntegerField(primary_key=True)
        username = peewee.CharField()
        username_key = peewee.CharField()
        email = peewee.CharField(null=True)
        email_key = peewee.CharField(null=True)

        class Meta:
            database = db
            legacy_table_names = False

    last = 0
    while page := list(Account.select().where(Account.id > last).order_by(Account.id).limit(BATCH)):
        last = page[-1].id
        for account in page:
            for shown, key in (("username", Account.username_key), ("email", Account.email_key)):
                text = getattr(account, shown)
                if text and UNSEEN.search(unicodedata.normalize("NFKC", text)):
                    folded = _fold(text)
                    if folded and not Account.select().where(key == folded).exists():
                        Account.update({key: folded}).where(Account.id == account.id).execute()


def _fold(name: str) -> str:
    seen = UNSEEN.sub("", unicodedata.normalize("NFKC", name))
    return unicodedata.normalize("NFKC", seen.casefold()).strip()
