"""Which of two models is better, as far as the data can tell.

Both judged the same samples, so they are compared sample by sample. Where each is either right or
wrong, by McNemar's exact test; else by a paired bootstrap, whose word counts only if a paired
randomization test agrees. So that of two equal models one is called better at most once in twenty
times, also on few samples.

Beside the verdict stands the smallest effect that these data would show nine times in ten: "no
difference shown" says nothing about effects that are smaller.
"""

import math
from collections.abc import Callable
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Word = Literal["B is better", "no difference shown", "B is worse"]
Right = NDArray[np.bool_]
Values = NDArray[np.float64]
Statistic = Callable[[NDArray[np.int64]], tuple[float, float]]
"""Places of samples, int64 [samples] → the figure of A and of B on those; more is better."""

Swapped = Callable[[NDArray[np.bool_]], float]
"""Where A and B change places, bool [samples] → B's figure less A's."""

ALPHA: Final = 0.05
"""How often a difference may be seen where there is none."""

POWER: Final = 0.9
RESAMPLES: Final = 2000


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of B against A by one figure, of which more is better."""

    word: Word
    figure: str
    """As "accuracy"."""

    a: float
    b: float
    low: float
    high: float
    """The interval of b − a, 95 %."""

    p: float
    """How likely a difference as large were if there was none."""

    smallest: float | None
    """The effect that these data would show with the probability POWER; None if none can be."""

    samples: int
    test: str
    """By which it was found."""

    @property
    def difference(self) -> float:
        """Of B to A."""
        return self.b - self.a


def compare_right(a: Right, b: Right, figure: str = "accuracy") -> Verdict:
    """By McNemar's exact test (McNemar 1947; its exact form is a sign test of the samples that only
    one of the two got right).

    The interval is Clopper and Pearson's of B's share of those samples, times their share of all:
    it leaves out 0 exactly where the test says so.

    Args:
        a: where A was right, bool [samples].
        b: where B was, on the same samples.
        figure: what their means are called.
    """
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    samples = len(a)
    gained, lost = int((b & ~a).sum()), int((a & ~b).sum())
    apart = gained + lost
    low, high, p = 0.0, 0.0, 1.0
    if apart:
        found = binomtest(gained, apart, 0.5)
        share = found.proportion_ci(1 - ALPHA, "exact")
        low, high = ((2 * end - 1) * apart / samples for end in (share.low, share.high))
        # Twice the smaller tail, as the interval has it.
        p = min(1.0, 2 * min(_tail(gained, apart), _tail(lost, apart)))
    return Verdict(
        word=_word(p < ALPHA, gained - lost),
        figure=figure,
        a=float(a.mean()),
        b=float(b.mean()),
        low=low,
        high=high,
        p=p,
        smallest=smallest_shown(samples, apart),
        samples=samples,
        test="McNemar's exact test",
    )


def compare_values(a: Values, b: Values, figure: str, seed: int = 0) -> Verdict:
    """By the means of one number a sample, of which more is better: float64 [samples] each."""
    apart = b - a

    def figures(places: NDArray[np.int64]) -> tuple[float, float]:
        return float(a[places].mean()), float(b[places].mean())

    def swapped(places: NDArray[np.bool_]) -> float:
        return float(np.where(places, -apart, apart).mean())

    return compare(len(a), figures, swapped, figure, seed)


def compare(
    samples: int, figures: Statistic, swapped: Swapped, figure: str, seed: int = 0
) -> Verdict:
    """By a paired bootstrap (Efron and Tibshirani 1993, chapter 13: percentiles) and a paired
    randomization test (Noreen 1989, "Computer-Intensive Methods", chapter 2).

    Args:
        samples: how many both models judged.
        figures: any figure of both on some of the samples, repeated ones among them.
        swapped: the difference of that figure where some samples' outcomes have changed sides.
        figure: what it is called.
        seed: of the resamples.
    """
    random = np.random.default_rng(seed)
    a, b = figures(np.arange(samples))
    drawn = np.array(
        [np.subtract(*figures(random.integers(0, samples, samples))) for _ in range(RESAMPLES)]
    )
    low, high = -np.quantile(drawn, [1 - ALPHA / 2, ALPHA / 2])
    reached = sum(
        abs(swapped(random.random(samples) < 0.5)) >= abs(b - a) - 1e-12 for _ in range(RESAMPLES)
    )
    p = (reached + 1) / (RESAMPLES + 1)
    spread = float(drawn.std())
    return Verdict(
        word=_word(p < ALPHA and not low <= 0 <= high, b - a),
        figure=figure,
        a=a,
        b=b,
        low=float(low),
        high=float(high),
        p=p,
        smallest=_normal(1 - ALPHA / 2) * spread + _normal(POWER) * spread if spread else None,
        samples=samples,
        test="paired bootstrap and randomization",
    )


def smallest_shown(samples: int, apart: int) -> float | None:
    """The smallest difference of two shares that McNemar's test shows with the probability POWER.

    Args:
        samples: of both models.
        apart: those that only one of them got right. They are taken to be as many under the
            difference that is looked for, and at least as many as it needs.

    Returns:
        A difference between 0 and 1, to a thousandth of it; None if no difference is shown.
    """
    low, high = 0.0, 1.0
    if not _is_shown(samples, apart, high):
        return None
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _is_shown(samples, apart, middle) else (middle, high)
    return high


def told(verdict: Verdict, percent: bool = True) -> str:
    """One line for people.

    Args:
        verdict: any.
        percent: whether the figure is a share, whose differences are told in points.
    """
    scale, unit = (100, " points") if percent else (1, "")
    shown = verdict.smallest
    reach = (
        "these data can show no difference at all"
        if shown is None
        else f"these data can show {scale * shown:.2g}{unit} or more"
    )
    return (
        f"{verdict.word}: {verdict.figure} {verdict.b:.3f} against {verdict.a:.3f}, "
        f"{scale * verdict.difference:+.1f}{unit} (95 % {scale * verdict.low:+.1f} to "
        f"{scale * verdict.high:+.1f}); {reach}"
    )


def _is_shown(samples: int, apart: int, difference: float) -> bool:
    from scipy.stats import binom

    share = max(apart / samples, difference)
    number = round(samples * share)
    if number == 0:
        return False
    # The most that the worse one may win of those samples where the test still tells.
    most = binom.ppf(ALPHA / 2, number, 0.5)
    while most >= 0 and binom.cdf(most, number, 0.5) >= ALPHA / 2:
        most -= 1
    won = (1 + difference / share) / 2
    return most >= 0 and bool(binom.cdf(most, number, 1 - won) >= POWER)


def _tail(count: int, number: int) -> float:
    """How likely so many heads or fewer are among so many tosses."""
    from scipy.stats import binom

    return float(binom.cdf(count, number, 0.5))


def _word(shown: bool, difference: float) -> Word:
    if not shown or not difference or math.isnan(difference):
        return "no difference shown"
    return "B is better" if difference > 0 else "B is worse"


def _normal(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)
