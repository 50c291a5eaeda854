"""Identifiers: usernames, e-mail addresses and mobile numbers, and the keys by which they are compared.

What is shown is what was typed. A key is only compared: nothing is ever sent to one, since what looks alike may be
another's mailbox (CVE-2019-19844).
"""

import re
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from models import settings

UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that show nothing (Default_Ignorable_Code_Point of Unicode, the empty Braille cell), and line breaks."""

PATH_WORDS = frozenset({"other", "signin", "sigin", "register", "change_pasword", "change_password"})
"""Path words beside /user/{id_or_username}: an account of that name could never be reached."""
DOT_SEGMENTS = frozenset({".", ".."})
"""What clients take out of a path before they send it (RFC 3986, section 5.2.4)."""

REGIONS: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""Regions whose numbering plan is known."""
EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
PUNCTUATION = re.compile(r"[\s()\[\]\-\u2010-\u2015\u2212]")
"""What people write between the digits of a number: blanks, brackets, hyphens and dashes."""
MOBILE = re.compile(r"[+＋(（]{0,2}[0-9０-９][-－0-9０-９x ()（）　]*[0-9０-９x]")  # as it is typed in Chinese
LONGEST_MOBILE = 32
"""Characters, as its column holds them."""


def normalize(name: str) -> str:
    """Return the form in which names are compared: NFKC, case folding, and nothing that cannot be seen.

    That is Unicode's NFKC_Casefold. Without it a name would look like another and be none.
    """
    seen = UNSEEN.sub("", unicodedata.normalize("NFKC", name))
    return unicodedata.normalize("NFKC", seen.casefold()).strip()


def username_key(username: str) -> str:
    """Return what a username is compared by; one that looks like an e-mail address is compared as such."""
    return email_key(username)


def email_key(email: str) -> str:
    """Return what an e-mail address is compared by: the local part normalized, the domain as DNS has it (A-labels).

    What is no address is compared as a name.
    """
    key = normalize(email)
    local, at, _ = key.rpartition("@")
    domain = email.rpartition("@")[2]
    if not at or domain.isascii():
        return key
    try:  # not from the key: folding would make fass.de of faß.de, which is another domain
        found = validate_email(f"a@{domain.strip()}", check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return key
    return f"{local}@{found.ascii_domain}"


def mobile_key(mobile: str) -> str:
    """Return what a mobile number is compared by: E.164, or itself where it holds more than digits.

    A number without a country code belongs to the region of `phone_region`. Whether it is in use is not asked: what is
    known of that changes with the library's data.
    """
    number = _parse(mobile)
    return mobile if number is None else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _parse(mobile: str) -> phonenumbers.PhoneNumber | None:
    """Read a number of nothing but digits, with what people write between them; None where that cannot be one.

    The library alone would take letters for digits and an x for an extension (google/libphonenumber#1302).
    """
    digits = PUNCTUATION.sub("", unicodedata.normalize("NFKC", mobile))
    if not (digits.isascii() and digits.removeprefix("+").isdigit()):
        return None
    try:
        number = phonenumbers.parse(digits, settings.current.phone_region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(number) else None


def contact_key(text: str) -> str:
    """Return what an e-mail address, a mobile number or a name is compared by, whichever it looks like."""
    return email_key(text) if "@" in text else normalize(mobile_key(text))


def is_email(name: str) -> bool:
    """Tell whether a username looks like an e-mail address."""
    return EMAIL.fullmatch(normalize(name)) is not None


def is_mobile(name: str) -> bool:
    """Tell whether a username is a mobile number, of which an x may stand for a masked digit."""
    if not MOBILE.fullmatch(name) or len(name) > LONGEST_MOBILE:
        return False
    number = _parse(name.replace("x", "0"))
    kind = phonenumbers.PhoneNumberType.MOBILE
    return number is not None and phonenumbers.is_possible_number_for_type(number, kind)


def is_reserved(key: str) -> bool:
    """Tell whether a username with this key is a path word, or cannot stand in the path of a URL."""
    return key in PATH_WORDS or key in DOT_SEGMENTS or "/" in key
