"""What a password must be that is about to be set. Who logs in is never asked for it."""

import string
from functools import cache

from models import settings
from models.errors import PasswordCommon, PasswordIsUsername, PasswordTooShort
from models.identifiers import normalize

PRODUCT = "rollbook"
AROUND = string.digits + string.punctuation + " "
"""What makes no other word of a word that is near at hand."""


def check(password: str, *usernames: str) -> None:
    """Refuse a password that is too easy to guess, under the policy `guarded`.

    usernames: the account's, and the one that it is about to get. Raises PasswordTooShort, PasswordCommon,
    PasswordIsUsername. Any characters will do (NIST SP 800-63B-4): a rule for them makes passwords alike.
    """
    if settings.current.policy != "guarded":
        return
    shortest = settings.current.password_min_length
    if len(password) < shortest:
        raise PasswordTooShort(shortest)
    folded = normalize(password)
    if folded in map(normalize, usernames):
        raise PasswordIsUsername
    if folded in common() or folded.strip(AROUND) in _near_at_hand():
        raise PasswordCommon


def _near_at_hand() -> set[str]:
    return {normalize(word.strip()) for word in (PRODUCT, *filter(None, settings.current.password_words.split(",")))}


@cache
def common() -> frozenset[str]:
    """Return what is guessed first, folded: 30,000 passwords from breaches, and 60,000 names and words.

    zxcvbn keeps a word in the one list in which it is most frequent; so `jennifer`, which is among the twenty most
    common passwords, is found among the names, and all lists are needed.
    """
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  # 15 MB that one of the policies has no use for

    return frozenset(word for words in FREQUENCY_LISTS.values() for word in words)
