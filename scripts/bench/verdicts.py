"""How often is a verdict wrong, and how often does it see what is there?

    scripts/bench/verdicts.py [--comparisons 1000] [--seed 0]

Two models are compared on the same samples many times over: once two that are equal, so that every
word but "no difference shown" is wrong (budget: 5 %), and once where B is 3 points worse (to be
found in 90 % of the comparisons, wherever the tool itself says that so many samples can show it).

How hard each sample is comes from real models: a sample's difficulty is the share of 60 logistic
regressions, each fitted to other images of scikit-learn's digits, that get it right. A and B then
are right on it or wrong by chance, each on its own, so that their true accuracy is the same to the
last digit; a worse B loses some of what it would have got right.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest  # type: ignore[import-untyped]
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from llmos.engine.evaluate.verdict import Verdict, compare_right, compare_values

MODELS = 60
LEARNED = 150
"""Images that each model is fitted to: few, so that they differ as real ones do."""

SIZES = (100, 300, 1000, 3000, 10_000)
DROP = 0.03
NOTHING = "no difference shown"

Values = NDArray[np.float64]
Outcomes = Callable[[np.random.Generator, Values, float], Values]
Compare = Callable[[Values, Values], Verdict]


def main() -> None:
    """Print a row for each test and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--comparisons", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    able = difficulties()
    print(f"{len(able)} samples, mean accuracy of the models {able.mean():.3f}")
    print(f"{options.comparisons} comparisons a row; intervals are Clopper and Pearson's, 95 %\n")
    head = f"{'test':<16}{'samples':>8}{'smallest shown':>16}"
    print(f"{head}{'false verdicts':>24}{'3-point drop seen':>36}{'seconds':>9}")
    for name, (outcomes, compare) in TESTS.items():
        for samples in SIZES:
            count = options.comparisons if name == "McNemar" else options.comparisons // 5
            if name != "McNemar" and samples > 1000:
                continue
            print(row(name, able, samples, count, options.seed, outcomes, compare), flush=True)


def difficulties() -> Values:
    """The share of models that get each image right, of those that were not fitted to it."""
    images, labels = load_digits(return_X_y=True)
    images = images / 16
    random = np.random.default_rng(0)
    right, judged = np.zeros(len(labels)), np.zeros(len(labels))
    for _ in range(MODELS):
        learned = random.choice(len(labels), LEARNED, replace=False)
        model = LogisticRegression(max_iter=300).fit(images[learned], labels[learned])
        rest = np.setdiff1d(np.arange(len(labels)), learned)
        right[rest] += model.predict(images[rest]) == labels[rest]
        judged[rest] += 1
    able: Values = np.divide(right, judged, dtype=np.float64)
    return able


def answers(random: np.random.Generator, able: Values, drop: float) -> Values:
    """Right (1) or wrong (0) on each sample, `drop` less often over all."""
    right: Values = np.less(random.random(len(able)), able * (1 - drop / able.mean())) * 1.0
    return right


def losses(random: np.random.Generator, able: Values, drop: float) -> Values:
    """A number a sample, of which more is better: skewed, as log-likelihoods are."""
    return -random.gamma(8.0, ((1 - able) + 0.05) / 8) - drop


TESTS: dict[str, tuple[Outcomes, Compare]] = {
    "McNemar": (answers, lambda a, b: compare_right(a > 0, b > 0)),
    "bootstrap": (losses, lambda a, b: compare_values(a, b, "loss")),
}


def row(
    name: str,
    able: Values,
    samples: int,
    count: int,
    seed: int,
    outcomes: Outcomes,
    compare: Compare,
) -> str:
    """One size: equal models, then a worse one."""
    random = np.random.default_rng([seed, samples])
    began = time.perf_counter()
    false = seen = 0
    shown = []
    for _ in range(count):
        own = random.choice(able, samples)
        a = outcomes(random, own, 0.0)
        false += compare(a, outcomes(random, own, 0.0)).word != NOTHING
        worse = compare(a, outcomes(random, own, DROP))
        seen += worse.word == "B is worse"
        shown.append(np.inf if worse.smallest is None else worse.smallest)
    smallest = float(np.median(shown))
    can = "" if smallest <= DROP else " (too few)"
    head = f"{name:<16}{samples:>8,}{100 * smallest:>9.2f} points"
    took = time.perf_counter() - began
    return f"{head}{share(false, count):>24}{share(seen, count) + can:>36}{took:>9.1f}"


def share(count: int, number: int) -> str:
    """With its interval."""
    interval = binomtest(count, number).proportion_ci(0.95, "exact")
    return f"{100 * count / number:.1f} % ({100 * interval.low:.1f}–{100 * interval.high:.1f})"


if __name__ == "__main__":
    main()
