"""Names: how they are compared."""

import re
import unicodedata

UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that show nothing (Default_Ignorable_Code_Point of Unicode, the empty Braille cell), and line breaks."""


def normalize(name: str) -> str:
    """Return the form in which names are compared: NFKC, case folding, and nothing that cannot be seen.

    That is Unicode's NFKC_Casefold. Without it a name would look like another and be none.
    """
    seen = UNSEEN.sub("", unicodedata.normalize("NFKC", name))
    return unicodedata.normalize("NFKC", seen.casefold()).strip()
