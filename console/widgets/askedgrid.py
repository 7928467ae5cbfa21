"""A grid over what is asked for: it says what it waits for, and its columns come and go."""

from .grid import Grid
from .table import Table


class AskedGrid(Grid):
    """What the agent was asked; in place of rows stands why there are none."""

    def __init__(self, table: Table, *, id: str | None = None, ordered: bool = False) -> None:
        super().__init__(table, id=id, empty="asking the agent")
        self._ordered = ordered
        """Whether the rows have one order, as a tree's."""

        self._shown: list[tuple[str, int]] = []

    def say(self, text: str) -> None:
        """Let this stand there where no row is."""
        if text != self._empty:
            self._empty = text
            self.refresh()

    @property
    def left_out(self) -> list[str]:
        """Keys of the columns for which there is no room."""
        fitted = {column.key for column, _ in self._fitted}
        return [column.key for column in self.table.columns if column.key not in fitted]

    def update(self) -> None:
        """Paint what differs; with other columns, all of it."""
        columns = [(column.key, column.width) for column in self.table.columns]
        if columns != self._shown:
            self._shown = columns
            self._fitted = []
            self._cells.clear()
            self.refresh()
        super().update()

    def set_sort(self, sort: str, descending: bool) -> None:
        """Order by a column, where there is more than one order."""
        if not self._ordered:
            super().set_sort(sort, descending)
