"""How many guesses a password takes somebody who tries the likely ones first, as zxcvbn estimates it.

The estimator is zxcvbn's. Its words are those of the package, passwords from breaches and of Chinese users, Chinese
words in pinyin (`words/`), and those of one call, which stay in a dictionary of that call: the package keeps them in
one that all threads share. Which constants were chosen by which lists stands on the documentation's
page on security.
"""

import re
import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from math import factorial, prod
from typing import Any

from models.passwords import pinyin, word_lists

LONGEST = 64
"""Characters that are looked at; the time grows with the square."""
SHORTEST_WORD = 4
"""Characters of a word in the lists: there are too many shorter ones for any to be told from chance."""
SHORT_WORDS = 1_500
"""So many words of that length are told from chance."""
CUT = 8
"""Characters that old systems kept of a password: longer words stand in lists of lost ones as they were cut off."""
DATE_DIGITS = 6
PLAIN_FROM = 6
"""Characters from which a word is one however it is spelled."""
SPELLINGS = re.compile("[A-Z]?[^A-Z]*|[^A-Z]*[A-Z]|[^a-z]*")
"""How people spell words: in small letters, with a capital at an end, in capitals."""
RUNS = re.compile("[A-Za-z]+")
LETTER_BY_DIGIT = re.compile("(?<=[0-9])[A-Za-z]|(?<=[A-Za-z])[0-9]")
LATE = re.compile("(?<=[0-9])[A-Za-z]")
LATE_LETTER = 30
"""How many times fewer passwords have letters after digits than before."""
SMALL_LETTERS = 10
"""How many times more passwords of people are of small letters alone than their letters would say. Of those drawn by
lot from letters and digits one in a thousand is."""
USUAL_CAPITALS = re.compile("[A-Z]?[a-z]*")
ODD_CAPITALS = 100
"""How many times fewer have capitals elsewhere than at the beginning."""
NUMBER = re.compile("[0-9]{4,}")
LONG_REPEATED, SHORT_REPEATED = re.compile(r"(.+)\1+", re.DOTALL), re.compile(r"(.+?)\1+", re.DOTALL)
USUAL = 10
"""Guesses that zxcvbn counts for a character that belongs to no pattern."""
FEWEST = 50
"""Guesses of a pattern inside a password, as zxcvbn counts them."""
PART = 300
"""Guesses by which each further part of a password delays the first try that is made of so many. zxcvbn's 10,000 would
let anything through that has three parts."""
WEIGHT = 10
"""What fewer letters before one say weighs as much as so many words."""
CAPITAL, MIXED, SIGN = 2, 4, 5
"""How many times more guesses what is no word takes with capitals, for each digit beside a letter, and with signs."""
PLAIN = re.compile("[a-z]+")

Matches = list[dict[str, Any]]
Dictionaries = dict[str, dict[str, int]]


@cache
def ranked() -> dict[str, int]:
    """Return all words, in small letters, with the rank of each in the list where it is most frequent.

    Some 29 MB; the package's own dictionaries, which are of no more use, are emptied.
    """
    from zxcvbn import matching  # noqa: PLC0415  # what one of the policies has no use for
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415  # as above

    words: dict[str, int] = {}
    for listed in (*FREQUENCY_LISTS.values(), *map(word_lists.read, word_lists.names())):
        for rank, word in enumerate(listed, 1):
            if len(word) >= SHORTEST_WORD and rank < words.get(word, rank + 1):
                words[word] = rank
    for word, rank in list(words.items()):
        if len(word) > CUT and rank < words.get(word[:CUT], rank + 1):
            words[word[:CUT]] = rank
    matching.RANKED_DICTIONARIES.clear()
    return words


def estimate(password: str, own: Iterable[str] = ()) -> float:
    """Return the guesses that a password takes; `own` are words that a guesser tries first, in small letters."""
    dictionaries = {"words": ranked(), "own": {word: rank for rank, word in enumerate(own, 1)}}
    looked_at = password[:LONGEST]
    once = SHORT_REPEATED.sub(r"\1", looked_at)  # a shape is as rare as what repeats in it
    return _guesses(looked_at, dictionaries) * _rarity(once)


def _guesses(password: str, dictionaries: Dictionaries) -> float:
    """Return the guesses that the patterns take which a password is made of, and what stands between them."""
    from zxcvbn import scoring  # noqa: PLC0415  # as above

    if not password:
        return 1
    matches: Any = _matches(password, dictionaries)  # a loose stub
    found: Any = scoring.most_guessable_match_sequence(password, matches, _exclude_additive=True)
    sequence = found["sequence"]
    between = [match["token"] for match in sequence if match["pattern"] == "bruteforce"]
    orders = len(sequence) / factorial(len(sequence))  # names, then a number: few of all orders are usual
    product: float = float(found["guesses"]) * orders * prod(map(_surprise, between))
    return product + float(PART ** (len(sequence) - 1))


def _matches(password: str, dictionaries: Dictionaries) -> Matches:
    """Return what zxcvbn finds, without what it finds in random passwords too, numbers, and what repeats."""
    from zxcvbn import matching  # noqa: PLC0415  # as above

    matchers: Any = (  # typed loosely by the package's stubs
        *(matching.dictionary_match, matching.reverse_dictionary_match, matching.spatial_match),
        *(matching.sequence_match, matching.regex_match, matching.date_match),
    )
    found = [match for matcher in matchers for match in matcher(password, _ranked_dictionaries=dictionaries)]
    found += matching.l33t_match(password, dictionaries, _one_for_each(password, matching.L33T_TABLE))
    patterns = [match for match in found if _is_pattern(match, password)]
    return [*patterns, *_numbers(password), *_phrases(password), *_repetitions(password, dictionaries)]


def _one_for_each(password: str, table: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return for each letter only what stands for it most often: every mixture of them took a third of a second."""
    return {letter: [max(signs, key=password.count)] for letter, signs in table.items()}


def _is_pattern(match: dict[str, Any], password: str) -> bool:
    """Tell whether a match is more than chance."""
    token = match["token"]
    if match["pattern"] == "dictionary" and match["dictionary_name"] == "words":
        if len(token) >= PLAIN_FROM:
            return not match["l33t"] or bool(SPELLINGS.fullmatch(token))
        plain = not match["l33t"] and not match["reversed"] and SPELLINGS.fullmatch(token)
        return bool(plain) and (len(token) > SHORTEST_WORD or match["rank"] <= SHORT_WORDS)
    if match["pattern"] == "sequence":
        return abs(ord(token[1]) - ord(token[0])) == 1
    if match["pattern"] == "date" and token.isdecimal():  # part of a longer number is none
        around = password[max(match["i"] - 1, 0) : match["i"]] + password[match["j"] + 1 : match["j"] + 2]
        return len(token) >= DATE_DIGITS and not any(character in string.digits for character in around)
    return True


def _numbers(password: str) -> Iterator[dict[str, Any]]:
    """Yield the numbers: on the average the half of those of that length are tried before one is found."""
    for found in NUMBER.finditer(password):
        yield _match(found, 10 ** len(found[0]) // 2)


def _phrases(password: str) -> Iterator[dict[str, Any]]:
    """Yield what is Chinese in pinyin, however many words of it: `woaibeijing` is none that a list has."""
    for found in pinyin.RUNS.finditer(password):
        if pinyin.SPELLING.fullmatch(found[0]) and (guesses := pinyin.phrase(found[0].lower())):
            yield _match(found, max(guesses, FEWEST))


def _repetitions(password: str, dictionaries: Dictionaries) -> Iterator[dict[str, Any]]:
    """Yield what repeats; the package's own way looks at every mixture of signs that stand for letters."""
    for found in chain(LONG_REPEATED.finditer(password), SHORT_REPEATED.finditer(password)):
        if len(found[0]) > 2:
            once = _guesses(found[1], dictionaries)
            yield _match(found, max(once * len(found[0]) / len(found[1]), FEWEST))


def _match(found: re.Match[str], guesses: float) -> dict[str, Any]:
    """Return a match of zxcvbn's whose guesses are known."""
    return {"pattern": "regex", "token": found[0], "i": found.start(), "j": found.end() - 1, "guesses": guesses}


def _surprise(token: str) -> float:
    """Return how many times more guesses a token takes than zxcvbn counts, or how many times fewer.

    What was drawn by lot has letters that do not follow each other in words.
    """
    followers = _followers()
    surprise = float((CAPITAL if token != token.lower() else 1) * MIXED ** len(LETTER_BY_DIGIT.findall(token)))
    surprise *= 1 if token.isalnum() else SIGN
    for letters in PLAIN.findall(token.lower()):
        for place, letter in enumerate(letters):
            likely = 1 / len(string.ascii_lowercase)
            for start in range(place, max(place - 3, -1), -1):
                found = followers[letters[start:place]]
                likely = (found[letter] + WEIGHT * likely) / (found.total() + WEIGHT)
            surprise /= likely * USUAL
    return surprise


def _rarity(password: str) -> float:
    """Return how many times fewer people make a password of such a shape than of words and then digits."""
    odd = sum(not USUAL_CAPITALS.fullmatch(run) for run in RUNS.findall(password))
    small = 1 / SMALL_LETTERS if PLAIN.fullmatch(password) else 1
    return float(LATE_LETTER ** len(LATE.findall(password)) * ODD_CAPITALS**odd * small)


@cache
def _followers() -> dict[str, Counter[str]]:
    """Return for none, one and two letters how often each letter follows in words."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for letters in chain.from_iterable(map(PLAIN.findall, ranked())):
        for place, letter in enumerate(letters):
            for start in range(place, max(place - 3, -1), -1):
                found[letters[start:place]][letter] += 1
    return found
