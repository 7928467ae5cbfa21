"""What one model, or anything else that decides, says of each row."""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...agents.errors import SpecError
from ...agents.protocol.artifacts import Parent
from ..train.work import Prediction
from .rows import Rows

NAMED: Final = 3
"""Of the ids that do not match, those that an error names."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the rows."""

    name: str
    """For people."""

    predicted: NDArray[np.str_]
    """The class that it decided for: [rows]."""

    score: NDArray[np.float64] | None = None
    """The probability that it gives to that class, [rows]; None where it gives none."""

    probabilities: dict[str, NDArray[np.float64]] | None = None
    """Of each class, [rows] each; None where only the likeliest is known."""

    parent: Parent | None = None
    """What decided, where it has a digest."""

    def right(self, rows: Rows) -> NDArray[np.bool_]:
        """Where it decided rightly, bool [rows]."""
        return np.asarray(self.predicted == np.array(rows.labels), np.bool_)


def from_file(path: Path, rows: Rows, where: str, name: str, parent: Parent | None) -> Outcome:
    """Predictions that somebody has written, put into the order of the rows.

    Raises:
        SpecError: a line that is no prediction, or rows that no line speaks of.
    """
    said: dict[str, Prediction] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                one = _prediction(line, f"{where}: {path}:{number}")
                said[one.id] = one
    except OSError as error:
        raise SpecError(f"{where}: {path}: cannot be read: {error.strerror}") from error
    absent = [one for one in rows.ids if one not in said]
    if absent:
        raise SpecError(
            f"{where}: {path} says nothing of {len(absent)} of the {len(rows)} rows, as of "
            f"{', '.join(absent[:NAMED])}; it was made on other data"
        )
    chosen = [said[one] for one in rows.ids]
    return Outcome(
        name=name,
        predicted=np.array([one.predicted for one in chosen]),
        score=np.array([one.score for one in chosen]),
        parent=parent,
    )


def _prediction(line: bytes, where: str) -> Prediction:
    try:
        one = msgspec.json.decode(line, type=Prediction)
    except msgspec.MsgspecError as error:
        raise SpecError(f"{where}: {error}") from None
    if not 0 <= one.score <= 1:
        raise SpecError(f"{where}: expected a score from 0 to 1, got {one.score}")
    return one
