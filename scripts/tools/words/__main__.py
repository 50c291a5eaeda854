"""Write the word lists by which passwords are estimated (`models/passwords/words`), anew from where they come from.

Named are packages of an index and one file of a public repository; nothing of their code is taken, and each list says
where it comes from and under which licence. What the package zxcvbn brings itself is not repeated.
"""

import argparse
import gzip
import json
import re
from collections.abc import Iterable
from importlib import import_module, metadata, resources
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from models.passwords.guesses import SHORTEST_WORD, WORDS

PINYIN = 10_000
SPOKEN = 8_000
"""Words of each further language."""
LANGUAGES = ("de", "es", "fr", "it", "nl", "pt")
LONG_ENOUGH = 5
"""Characters of such a word: with so many languages, most mixtures of four letters are one."""
KEYS = str.maketrans("йцукенгшщзхъфывапролджэячсмитьбю", "qwertyuiop[]asdfghjkl;'zxcvbnm,.")
"""Where the keys of a Russian keyboard are on a Latin one: many a Russian word is typed with the wrong one."""
HAN = re.compile("[一-鿿]{2,4}")
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
        f"words of {', '.join(LANGUAGES)} and, as typed on Latin keys, of ru, most frequent first: {spoken}",
        _spoken(),
    )
    _write("pinyin", f"Chinese words in pinyin without tones, most frequent first: {origin}", _pinyin())


def _django() -> list[str]:
    packed = resources.files("django.contrib.auth").joinpath("common-passwords.txt.gz").read_bytes()
    return gzip.decompress(packed).decode().split()


def _pinyin() -> list[str]:
    lazy_pinyin: Any = import_module("pypinyin").lazy_pinyin  # of an environment that only this needs

    lines = resources.files("jieba").joinpath("dict.txt").read_text(encoding="utf-8").splitlines()
    found = (line.split()[:2] for line in lines)
    words = sorted(((int(frequency), word) for word, frequency in found if HAN.fullmatch(word)), reverse=True)
    spelled = ("".join(lazy_pinyin(word)).replace("ü", "v") for _, word in words)
    return list(dict.fromkeys(text for text in spelled if text.isascii()))[:PINYIN]


def _spoken() -> Iterable[str]:
    """Return the words of all languages, the most frequent ones of each first."""
    languages = [_words(language) for language in LANGUAGES]
    russian = [word.translate(KEYS) for word in _words("ru")]
    return filter(None, chain.from_iterable(zip_longest(*languages, russian)))


def _words(language: str) -> list[str]:
    packed = resources.files("spellchecker").joinpath("resources", f"{language}.json.gz").read_bytes()
    frequencies: dict[str, int] = json.loads(gzip.decompress(packed))
    words = sorted(frequencies, key=lambda word: (-frequencies[word], word))
    return [word for word in words[:SPOKEN] if len(word) >= LONG_ENOUGH]


def _write(name: str, origin: str, words: Iterable[str]) -> None:
    kept = [word for word in dict.fromkeys(map(str.lower, words)) if len(word) >= SHORTEST_WORD and word not in OWN]
    text = "\n".join([f"# {origin}", "# written by scripts/words", *kept])
    (WORDS / f"{name}.txt").write_text(f"{text}\n")
    print(f"{name}: {len(kept)} words")


if __name__ == "__main__":
    main()
