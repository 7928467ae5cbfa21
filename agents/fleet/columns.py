"""A numpy column for each field of a record: row = one GPU, or one node.

All columns of a table are rows of one float32 matrix, NaN where not known, so that a frame is
applied, a total taken and 100,000 GPUs sorted without a Python loop over them.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final

import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..protocol.fields import Field

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_CODES: Final = {"B": "<u1", "H": "<u2", "I": "<u4"}


class Columns:
    """A growing table of float32 columns, one for each field. Shape (fields, rows)."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.names = tuple(field.name for field in fields)
        self._position = {name: at for at, name in enumerate(self.names)}
        self._values: Floats = np.full((len(fields), 0), np.nan, np.float32)
        self.rows = 0

    def __getitem__(self, name: str) -> Floats:
        """The column of that name, as a view. KeyError where no sender has that field."""
        return self._values[self._position[name], : self.rows]

    def __contains__(self, name: str) -> bool:
        return name in self._position

    def grow(self, rows: int) -> None:
        """Have at least that many rows; new ones are all absent."""
        if rows > self._values.shape[1]:
            room = max(rows, 2 * self._values.shape[1], 16)
            wider = np.full((len(self.names), room), np.nan, np.float32)
            wider[:, : self.rows] = self._values[:, : self.rows]
            self._values = wider
        self.rows = max(self.rows, rows)

    def put(self, rows: Rows, name: str, values: Floats) -> None:
        """Set one column at some rows; a field that has no column here is passed over."""
        at = self._position.get(name)
        if at is not None:
            self._values[at, rows] = values

    def clear(self, rows: Rows) -> None:
        """Forget the figures of some rows."""
        self._values[:, rows] = np.nan


class Decoder:
    """Reads records by the field table their sender gave in its HELLO."""

    def __init__(self, fields: Sequence[Field], keys: Sequence[str]) -> None:
        """`keys` are the fields that say whose record it is: without them none can be read.

        Raises FrameError for a table that describes no records.
        """
        for field in fields:
            if field.code not in _CODES or not isfinite(field.scale) or not field.name:
                raise FrameError(f"a table of fields with {field} in it")
        names = [field.name for field in fields]
        if len(set(names)) < len(names) or not set(keys) <= set(names):
            raise FrameError(f"a table of fields where names are missing or double: {names}")
        self.fields = tuple(fields)
        self.dtype = np.dtype([(field.name, _CODES[field.code]) for field in fields])

    def records(self, data: memoryview) -> npt.NDArray[np.void]:
        """The records as a structured array over the same bytes."""
        return np.frombuffer(data, self.dtype)

    def values(self, records: npt.NDArray[np.void], field: Field) -> Floats:
        """One field, scaled to its unit, NaN where absent."""
        counts = records[field.name]
        values = counts.astype(np.float32) * np.float32(field.scale)
        values[counts == field.absent] = np.nan
        return values
