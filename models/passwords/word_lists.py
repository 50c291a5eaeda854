"""The lists in `words/`, which `scripts/words` writes: most frequent words first."""

from pathlib import Path

WORDS = Path(__file__).parent / "words"


def read(name: str) -> list[str]:
    """Return the words of a list."""
    return [line for line in (WORDS / f"{name}.txt").read_text().splitlines() if not line.startswith("# ")]


def names() -> list[str]:
    """Return the names of all lists."""
    return sorted(file.stem for file in WORDS.glob("*.txt"))
