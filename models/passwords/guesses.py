"""How many guesses a password takes somebody who tries the likely ones first, as zxcvbn estimates it.

The estimator is zxcvbn's. Its words are those of the package, passwords from breaches and of Chinese users, Chinese
words in pinyin (`words/`), and those of one call, which stay in a dictionary of that call: the package keeps them in
one that all threads share.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

LONGEST = 64
"""Characters that are looked at; the time grows with the square."""
SHORTEST_WORD = 4
"""Characters of a word in the lists: there are too many shorter ones for any to be told from chance."""
PLAIN_FROM = 6
"""Characters from which a word is one however it is spelled."""
SPELLINGS = re.compile("[A-Z]?[^A-Z]*|[^A-Z]*[A-Z]|[^a-z]*")
"""How people spell words: in small letters, with a capital at an end, in capitals."""
NUMBER = re.compile("[0-9]{4,}")
LONG_REPEATED, SHORT_REPEATED = re.compile(r"(.+)\1+", re.DOTALL), re.compile(r"(.+?)\1+", re.DOTALL)
KINDS = {re.compile("[a-z]"): 26, re.compile("[A-Z]"): 26, re.compile("[0-9]"): 10}
"""Kind of character -> how many of it there are. Signs are none: people put them between words."""
USUAL = 10
"""Guesses that zxcvbn counts for a character that belongs to no pattern."""
FEWEST = 50
"""Guesses of a pattern inside a password, as zxcvbn counts them."""
WORDS = Path(__file__).parent / "words"

Matches = list[dict[str, Any]]
Dictionaries = dict[str, dict[str, int]]


@cache
def ranked() -> dict[str, int]:
    """Return all words, in small letters, with the rank of each in the list where it is most frequent.

    Some 12 MB; the package's own dictionaries, which are of no more use, are emptied.
    """
    from zxcvbn import matching  # noqa: PLC0415  # what one of the policies has no use for
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    words: dict[str, int] = {}
    for listed in (*FREQUENCY_LISTS.values(), *map(_read, sorted(WORDS.glob("*.txt")))):
        for rank, word in enumerate(listed, 1):
            if len(word) >= SHORTEST_WORD and rank < words.get(word, rank + 1):
                words[word] = rank
    matching.RANKED_DICTIONARIES.clear()
    return words


def estimate(password: str, own: Iterable[str] = ()) -> float:
    """Return the guesses that a password takes; `own` are words that a guesser tries first, in small letters."""
    dictionaries = {"words": ranked(), "own": {word: rank for rank, word in enumerate(own, 1)}}
    guesses, sequence = _guesses(password[:LONGEST], dictionaries)
    for match in sequence:
        if match["pattern"] == "bruteforce":
            guesses *= _mixture(match["token"])
    return guesses


def _guesses(password: str, dictionaries: Dictionaries) -> tuple[float, Matches]:
    """Return the guesses that a password takes by zxcvbn's count, and the patterns that it is made of."""
    from zxcvbn import scoring  # noqa: PLC0415

    if not password:
        return 1, []
    found: Any = scoring.most_guessable_match_sequence(password, _matches(password, dictionaries))  # type: ignore[arg-type]  # a loose stub
    return float(found["guesses"]), found["sequence"]


def _matches(password: str, dictionaries: Dictionaries) -> Matches:
    """Return what zxcvbn finds, without what it finds in random passwords too, numbers, and what repeats."""
    from zxcvbn import matching  # noqa: PLC0415

    matchers: Any = (  # typed loosely by the package's stubs
        *(matching.dictionary_match, matching.reverse_dictionary_match, matching.spatial_match),
        *(matching.sequence_match, matching.regex_match, matching.date_match),
    )
    found = [match for matcher in matchers for match in matcher(password, _ranked_dictionaries=dictionaries)]
    found += matching.l33t_match(password, dictionaries, _one_for_each(password, matching.L33T_TABLE))
    patterns = [match for match in found if _is_pattern(match)]
    return [*patterns, *_numbers(password), *_repetitions(password, dictionaries)]


def _one_for_each(password: str, table: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return for each letter only what stands for it most often: every mixture of them took a third of a second."""
    return {letter: [max(signs, key=password.count)] for letter, signs in table.items()}


def _is_pattern(match: dict[str, Any]) -> bool:
    """Tell whether a match is more than chance."""
    token = match["token"]
    if match["pattern"] == "dictionary" and match["dictionary_name"] == "words":
        spelled = not match["l33t"] and not match["reversed"] and SPELLINGS.fullmatch(token)
        return len(token) >= PLAIN_FROM or bool(spelled)
    if match["pattern"] == "sequence":
        return len(token) > 3 or abs(ord(token[1]) - ord(token[0])) == 1
    return True


def _numbers(password: str) -> Iterator[dict[str, Any]]:
    """Yield the numbers: on the average the half of those of that length are tried before one is found."""
    for found in NUMBER.finditer(password):
        yield _match(found, 10 ** len(found[0]) // 2)


def _repetitions(password: str, dictionaries: Dictionaries) -> Iterator[dict[str, Any]]:
    """Yield what repeats; the package's own way looks at every mixture of signs that stand for letters."""
    for found in chain(LONG_REPEATED.finditer(password), SHORT_REPEATED.finditer(password)):
        if len(found[0]) > 2:
            once, _ = _guesses(found[1], dictionaries)
            yield _match(found, max(once * len(found[0]) / len(found[1]), FEWEST))


def _match(found: re.Match[str], guesses: float) -> dict[str, Any]:
    """Return a match of zxcvbn's whose guesses are known."""
    return {"pattern": "regex", "token": found[0], "i": found.start(), "j": found.end() - 1, "guesses": guesses}


def _mixture(token: str) -> float:
    """Return how many times more guesses a token takes than zxcvbn counts, where it mixes kinds of characters.

    Ten a character is right for what people make up; what mixes kinds without any pattern was drawn by lot.
    """
    sizes = [size for kind, size in KINDS.items() if kind.search(token)]
    return (sum(sizes) / USUAL) ** len(token) if len(sizes) > 1 else 1


def _read(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if not line.startswith("# ")]
