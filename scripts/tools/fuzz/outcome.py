"""What came of one run, whatever ran."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What came of one run.

    count: how much was tried, in `unit`s. faults: what is wrong, a line each. suppressed: how often a suppression was
    used. seen: operation -> status -> how often. text: what was printed.
    """

    stem: str
    caller: str
    unit: str = "cases"
    count: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    suppressed: Counter[int] = field(default_factory=Counter)
    seen: dict[str, dict[str, int]] = field(default_factory=dict)
    text: str = ""

    @property
    def name(self) -> str:
        """Return what the run's reports are named by."""
        return f"{self.stem}-{self.caller}"
