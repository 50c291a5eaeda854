"""Chinese in pinyin: what is written without blanks is taken apart into words and syllables."""

import re
from functools import cache

from models.passwords.word_lists import read

RUNS = re.compile("[A-Za-z]{8,}")
"""Fewer letters are syllables by chance too often."""
SPELLING = re.compile("([A-Z]?[a-z]+)+|[A-Z]+")
"""Capitals begin words, or are all of it."""
LONGEST = 18
"""Letters of the longest words that matter."""


@cache
def _ranked() -> dict[str, int]:
    """Return the words, and the syllables that are a word too, each with its rank."""
    found: dict[str, int] = {}
    for name in ("pinyin", "syllables"):
        for rank, word in enumerate(read(name), 1):
            found.setdefault(word, rank)
    return found


def phrase(letters: str) -> float:
    """Return how many phrases are tried before one, each of its words by its rank; 0 where it is no pinyin."""
    ranked = _ranked()
    fewest = [1.0] + [0.0] * len(letters)
    for end in range(1, len(letters) + 1):
        ways = (
            fewest[start] * ranked[letters[start:end]]
            for start in range(max(end - LONGEST, 0), end)
            if fewest[start] and letters[start:end] in ranked
        )
        fewest[end] = min(ways, default=0.0)
    return fewest[-1]
