"""Figures of a classification."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..train.classification import wilson
from .outcome import Outcome
from .rows import Rows

BINS: Final = 10
"""Of equal width, in which a calibration is looked at."""

LEAST: Final = 1e-12
"""A probability of 0 that came true is taken for this."""


class Bin(msgspec.Struct, frozen=True):
    """Rows of which the model was about as sure."""

    sure: float
    """The mean probability of the class that it decided for."""

    right: float
    """The share where that was right."""

    rows: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All of one model. What needs probabilities is None where there are none."""

    name: str
    rows: int
    accuracy: float
    low: float
    high: float
    """Wilson's interval of the accuracy, 95 %."""

    macro_f1: float
    """The mean of the classes' F1 (scikit-learn's, a class that is never right counting as 0)."""

    f1: dict[str, float]
    auc: float | None = None
    """Area under the curve of two classes; of more the mean of each against the rest."""

    log_loss: float | None = None
    """Mean cross entropy in nats."""

    brier: float | None = None
    """Brier 1950: the mean squared distance of the probabilities to what came true, from 0 to 2."""

    ece: float | None = None
    """Expected calibration error over BINS bins (Guo et al. 2017, "On Calibration of Modern Neural
    Networks")."""

    calibration: list[Bin] = []
    labels: list[str]
    confusion: list[list[int]]
    """Rows that are of the class of a row and were taken for that of a column."""


class Slice(msgspec.Struct, frozen=True):
    """Some of the rows, told apart by a column or by length."""

    by: str
    value: str
    rows: int
    accuracy: float
    low: float
    high: float


class Mistake(msgspec.Struct, frozen=True):
    """A row that was taken for another class."""

    id: str
    label: str
    predicted: str
    score: float | None
    text: str
    """Its beginning; of an image nothing."""


def figures(outcome: Outcome, rows: Rows) -> Figures:
    """All that can be told of an outcome."""
    from sklearn.metrics import confusion_matrix, f1_score  # type: ignore[import-untyped]

    truth, said = np.array(rows.labels), outcome.predicted
    labels = sorted({*rows.labels, *said.tolist()})
    known = sorted(set(rows.labels))
    f1 = f1_score(truth, said, labels=known, average=None, zero_division=0)
    accuracy = float((truth == said).mean())
    low, high = wilson(accuracy, len(rows))
    bins = calibration(outcome, rows)
    return Figures(
        name=outcome.name,
        rows=len(rows),
        accuracy=accuracy,
        low=low,
        high=high,
        macro_f1=float(np.mean(f1)),
        f1=dict(zip(known, map(float, f1), strict=True)),
        auc=_auc(outcome, truth, known),
        log_loss=_log_loss(outcome, truth),
        brier=_brier(outcome, truth),
        ece=sum(one.rows * abs(one.sure - one.right) for one in bins) / len(rows) if bins else None,
        calibration=bins,
        labels=labels,
        confusion=confusion_matrix(truth, said, labels=labels).tolist(),
    )


def calibration(outcome: Outcome, rows: Rows) -> list[Bin]:
    """How often the model is right where it is so sure; bins without a row are left out."""
    if outcome.score is None:
        return []
    right = outcome.right(rows)
    place = np.minimum((outcome.score * BINS).astype(int), BINS - 1)
    return [
        Bin(float(outcome.score[own].mean()), float(right[own].mean()), int(own.sum()))
        for own in (place == number for number in range(BINS))
        if own.any()
    ]


def slices(outcome: Outcome, rows: Rows) -> list[Slice]:
    """The accuracy by each column's values, and of texts by quarters of their length."""
    right, found = outcome.right(rows), []
    for by, values in rows.columns.items():
        own = np.array(values)
        found += [_slice(by, value, right[own == value]) for value in sorted(set(values))]
    if all(isinstance(value, str) for value in rows.values):
        lengths = np.array([len(value) for value in rows.values])
        ends = np.unique(np.quantile(lengths, [0.25, 0.5, 0.75, 1.0], method="lower"))
        begin = 0
        for end in ends.astype(int).tolist():
            inside = (lengths > begin) & (lengths <= end)
            found.append(_slice("length", f"{begin + 1} to {end} characters", right[inside]))
            begin = end
    return [one for one in found if one.rows]


def mistakes(outcome: Outcome, rows: Rows, most: int) -> list[Mistake]:
    """The rows that were taken for another class, those of which the model was surest first."""
    wrong = np.flatnonzero(~outcome.right(rows))
    if outcome.score is not None:
        wrong = wrong[np.argsort(-outcome.score[wrong], kind="stable")]
    return [
        Mistake(
            rows.ids[at],
            rows.labels[at],
            str(outcome.predicted[at]),
            None if outcome.score is None else float(outcome.score[at]),
            rows.values[at][:300] if isinstance(rows.values[at], str) else "",
        )
        for at in wrong[:most].tolist()
    ]


def _slice(by: str, value: str, right: NDArray[np.bool_]) -> Slice:
    share = float(right.mean()) if len(right) else 0.0
    low, high = wilson(share, max(len(right), 1))
    return Slice(by, value, len(right), share, low, high)


def _auc(outcome: Outcome, truth: NDArray[np.str_], labels: Sequence[str]) -> float | None:
    from sklearn.metrics import roc_auc_score

    if len(labels) < 2:
        return None
    if len(labels) == 2:
        surest = _of_second(outcome, labels)
        return None if surest is None else float(roc_auc_score(truth == labels[1], surest))
    if outcome.probabilities is None:
        return None
    areas = [
        roc_auc_score(truth == label, outcome.probabilities[label])
        for label in labels
        if label in outcome.probabilities
    ]
    return float(np.mean(areas)) if len(areas) == len(labels) else None


def _of_second(outcome: Outcome, labels: Sequence[str]) -> NDArray[np.float64] | None:
    """The probability of the second of two classes."""
    if outcome.probabilities is not None:
        return outcome.probabilities.get(labels[1])
    if outcome.score is None or not set(outcome.predicted.tolist()) <= set(labels):
        return None
    return np.where(outcome.predicted == labels[1], outcome.score, 1 - outcome.score)


def _log_loss(outcome: Outcome, truth: NDArray[np.str_]) -> float | None:
    given = _given(outcome, truth)
    return None if given is None else float(-np.log(np.maximum(given, LEAST)).mean())


def _brier(outcome: Outcome, truth: NDArray[np.str_]) -> float | None:
    if outcome.probabilities is None:
        return None
    distances = [(own - (truth == name)) ** 2 for name, own in outcome.probabilities.items()]
    return float(np.sum(distances, axis=0).mean())


def _given(outcome: Outcome, truth: NDArray[np.str_]) -> NDArray[np.float64] | None:
    """The probability of what came true, [rows]."""
    if outcome.probabilities is None:
        return None
    nothing = np.zeros(len(truth))
    found = [outcome.probabilities.get(label, nothing)[at] for at, label in enumerate(truth)]
    return np.array(found)
