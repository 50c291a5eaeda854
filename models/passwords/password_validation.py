"""What a password must be that is about to be set. Who logs in is never asked for it."""

import re
import string
import unicodedata
from collections.abc import Iterable

from models import settings
from models.errors import PasswordGuessable, PasswordIsUsername, PasswordTooShort
from models.identifiers import UNSEEN, normalize
from models.passwords import guesses

PRODUCT = "rollbook"
FEWEST_GUESSES = 10**8
"""What an attacker has who may try a hundred times a second for eleven days; the limits allow far less."""
AROUND = string.digits + string.punctuation + " "
"""What makes no other word of one that is tried first."""
BETWEEN_WORDS = re.compile(r"[\W_]+")


def check(password: str, *usernames: str, words: Iterable[str | None] = ()) -> None:
    """Refuse a password that is guessed early, under the policy `guarded`.

    usernames: the account's, and the one that it is about to get. words: what else is known of its owner (display name,
    e-mail address, mobile number). Raises PasswordTooShort, PasswordGuessable, PasswordIsUsername. Any characters will
    do (NIST SP 800-63B-4): a rule for them makes passwords alike.
    """
    if settings.current.policy != "guarded":
        return
    shortest = settings.current.password_min_length
    if len(password) < shortest:
        raise PasswordTooShort(shortest)
    folded = normalize(password)
    if folded in map(normalize, usernames):
        raise PasswordIsUsername
    seen = UNSEEN.sub("", unicodedata.normalize("NFKC", password)).strip()
    own = _own([*usernames, *filter(None, words), PRODUCT, *settings.current.password_words.split(",")])
    listed = folded in guesses.ranked() or folded.strip(AROUND) in own
    if listed or guesses.estimate(seen, own) < FEWEST_GUESSES:
        raise PasswordGuessable


def _own(texts: Iterable[str]) -> list[str]:
    """Return the words that a guesser tries first: names as they are, and in parts; of an address what is before @."""
    words: dict[str, None] = {}
    for text in texts:
        name = normalize(text.rpartition("@")[0] or text)
        parts = (name, BETWEEN_WORDS.sub("", name), *BETWEEN_WORDS.split(name))
        words |= dict.fromkeys(part for part in parts if len(part) > (2 if part.isascii() else 1))
    return list(words)
