"""Write the word lists by which passwords are estimated (`models/passwords/words`), anew from where they come from.

Named are packages of an index and one file of a public repository; nothing of their code is taken, and each list says
where it comes from and under which licence. What the package zxcvbn brings itself is not repeated.
"""

import argparse
import gzip
import json
import pkgutil
import re
from collections.abc import Iterable
from importlib import import_module, metadata, resources
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any
from unicodedata import combining, normalize

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from models.passwords.guesses import SHORTEST_WORD
from models.passwords.word_lists import WORDS

PINYIN = 10_000
SPOKEN = 8_000
"""Words of each further language."""
LANGUAGES = ("de", "es", "fr", "it", "nl", "pt")
LONG_ENOUGH = 5
"""Characters of such a word: with so many languages, most mixtures of four letters are one."""
LETTERS_OF_A_NAME = 6
CYRILLIC = re.compile("[а-яё]")
LATIN = str.maketrans(
    dict(zip("абвгдеёзийклмнопрстуфхцыэіґ", "abvgdeeziyklmnoprstufhcyeig", strict=True))
    | {"ж": "zh", "ч": "ch", "ш": "sh", "щ": "sch", "ъ": "", "ь": "", "ю": "yu", "я": "ya", "ї": "yi", "є": "e"}
)
"""How Cyrillic letters are mostly written in Latin ones."""
KEYS = str.maketrans("йцукенгшщзхъфывапролджэячсмитьбю", "qwertyuiop[]asdfghjkl;'zxcvbnm,.")
"""Where the keys of a Russian keyboard are on a Latin one: many a Russian word is typed with the wrong one."""
HAN = "[一-鿿]"
OWN = {word for words in FREQUENCY_LISTS.values() for word in words}


def main() -> None:
    """Write all lists; print how many words each has."""
    options = argparse.ArgumentParser(prog="scripts/words", description=__doc__)
    options.add_argument("chinese", type=Path, help="SecLists' Chinese-common-password-list-top-1000.txt")
    chinese = options.parse_args().chinese.read_text().splitlines()
    _write(
        "chinese",
        f"passwords of Chinese users, most frequent first: SecLists (MIT), {options.parse_args().chinese.name}",
        chinese,
    )
    _write(
        "breached",
        f"passwords from breaches: Django {metadata.version('django')} (BSD), common-passwords.txt.gz",
        _django(),
    )
    origin = (
        f"words of jieba {metadata.version('jieba')} (MIT), spelled by pypinyin {metadata.version('pypinyin')} (MIT)"
    )
    spoken = f"pyspellchecker {metadata.version('pyspellchecker')} (MIT)"
    _write(
        "spoken",
        f"words of {', '.join(LANGUAGES)}, most frequent first: {spoken}",
        _spoken(),
    )
    _write(
        "russian",
        f"words of ru, in Latin letters and as typed on Latin keys, most frequent first: {spoken}",
        _russian(),
    )
    _write("names", f"names of all languages, in Latin letters: Faker {metadata.version('faker')} (MIT)", _names())
    _write("syllables", f"syllables of pinyin, most frequent first: {origin}", _pinyin(1, 1), whole=True)
    _write("pinyin", f"Chinese words in pinyin without tones, most frequent first: {origin}", _pinyin(2, 4), whole=True)


def _django() -> list[str]:
    packed = resources.files("django.contrib.auth").joinpath("common-passwords.txt.gz").read_bytes()
    return gzip.decompress(packed).decode().split()


def _pinyin(shortest: int, longest: int) -> list[str]:
    """Return Chinese words of so many characters, spelled."""
    lazy_pinyin: Any = import_module("pypinyin").lazy_pinyin  # of an environment that only this needs

    han = re.compile(f"{HAN}{{{shortest},{longest}}}")
    lines = resources.files("jieba").joinpath("dict.txt").read_text(encoding="utf-8").splitlines()
    found = (line.split()[:2] for line in lines)
    words = sorted(((int(frequency), word) for word, frequency in found if han.fullmatch(word)), reverse=True)
    spelled = ("".join(lazy_pinyin(word)).replace("ü", "v") for _, word in words)
    return list(dict.fromkeys(text for text in spelled if text.isascii()))[:PINYIN]


def _spoken() -> Iterable[str]:
    """Return the words of all languages, the most frequent ones of each first."""
    return filter(None, chain.from_iterable(zip_longest(*map(_words, LANGUAGES))))


def _russian() -> Iterable[str]:
    """Return Russian words as they are typed with the wrong keys, and with the right ones where there are no others."""
    words = _words("ru", most=None)
    return (word.translate(table) for word in words for table in (KEYS, LATIN))


def _names() -> Iterable[str]:
    """Return the names that Faker has, in no order."""
    persons = import_module("faker.providers.person")
    for module in pkgutil.iter_modules(persons.__path__):
        provider = import_module(f"{persons.__name__}.{module.name}").Provider
        for name in sorted(dir(provider)):
            if "first_name" in name or "last_name" in name:
                found = getattr(provider, name)
                for one in found if isinstance(found, list | tuple | dict) else ():
                    for text in [one] if isinstance(one, str) else one:
                        yield from filter(lambda spelled: len(spelled) >= LETTERS_OF_A_NAME, _spelled(text.lower()))


def _spelled(name: str) -> Iterable[str]:
    """Return how a name is typed in Latin letters; nothing where its script is another one."""
    if CYRILLIC.search(name):
        return [name.translate(KEYS), name.translate(LATIN)]
    bare = "".join(letter for letter in normalize("NFKD", name) if not combining(letter))
    return [bare] if bare.isascii() else []


def _words(language: str, most: int | None = SPOKEN) -> list[str]:
    packed = resources.files("spellchecker").joinpath("resources", f"{language}.json.gz").read_bytes()
    frequencies: dict[str, int] = json.loads(gzip.decompress(packed))
    words = sorted(frequencies, key=lambda word: (-frequencies[word], word))
    return [word for word in words[:most] if len(word) >= LONG_ENOUGH]


def _write(name: str, origin: str, words: Iterable[str], whole: bool = False) -> None:
    """Write a list: whole, or without what is too short and what the package has."""
    words = dict.fromkeys(map(str.lower, words))
    kept = [word for word in words if whole or (len(word) >= SHORTEST_WORD and word not in OWN)]
    text = "\n".join([f"# {origin}", "# written by scripts/words", *kept])
    (WORDS / f"{name}.txt").write_text(f"{text}\n")
    print(f"{name}: {len(kept)} words")


if __name__ == "__main__":
    main()
