"""The rank test of Mann and Whitney: are two samples of times drawn alike?"""

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from math import sqrt
from statistics import NormalDist


def rank_test(ones: Sequence[float], others: Sequence[float]) -> float:
    """Return the two-sided probability of such ranks if both samples are alike.

    By the normal approximation with correction for ties and continuity, which is exact enough from some 20 values on.
    """
    times = Counter(ones) + Counter(others)
    ordered = sorted(times)
    before = dict(zip(ordered, accumulate((times[value] for value in ordered), initial=0), strict=False))
    ranks = sum(before[value] + (times[value] + 1) / 2 for value in ones)
    n, m = len(ones), len(others)
    wins = ranks - n * (n + 1) / 2
    ties = sum(count**3 - count for count in times.values())
    spread = sqrt(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))))
    if not spread:
        return 1.0
    distance = max(abs(wins - n * m / 2) - 0.5, 0) / spread
    return 2 * (1 - NormalDist().cdf(distance))
