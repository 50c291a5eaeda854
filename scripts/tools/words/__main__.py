"""Write the word lists by which passwords are estimated (`models/passwords/words`), anew from where they come from.

Named are packages of an index and one file of a public repository; nothing of their code is taken, and each list says
where it comes from and under which licence. What the package zxcvbn brings itself is not repeated.
"""

import argparse
import gzip
import re
from collections.abc import Iterable
from importlib import import_module, metadata, resources
from pathlib import Path
from typing import Any

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from models.passwords.guesses import SHORTEST_WORD, WORDS

PINYIN = 10_000
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


def _write(name: str, origin: str, words: Iterable[str]) -> None:
    kept = [word for word in dict.fromkeys(map(str.lower, words)) if len(word) >= SHORTEST_WORD and word not in OWN]
    text = "\n".join([f"# {origin}", "# written by scripts/words", *kept])
    (WORDS / f"{name}.txt").write_text(f"{text}\n")
    print(f"{name}: {len(kept)} words")


if __name__ == "__main__":
    main()
