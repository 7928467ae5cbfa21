"""Every action of the console: its name, keys, place and meaning. Keys are data.

From this one table come the bindings, the key bar, the help and the words of the `:` line.
"""

from typing import Final, NamedTuple

from textual.binding import Binding


class Action(NamedTuple):
    """One thing a person can do."""

    name: str
    """Of the method `action_NAME` of the screen, or of the app for "app.NAME"."""

    keys: str
    """As Textual names them, separated by commas."""

    shown: str
    """The key as the key bar shows it."""

    title: str
    """One or two words."""

    tooltip: str
    """One line for the help."""

    screens: frozenset[str] = frozenset()
    """Where it is offered; empty for everywhere."""

    changes: bool = False
    """Whether it changes something: asks first, and is off in a read-only console."""

    quiet: bool = False
    """Left out of the key bar, and only in the help."""


def _on(*names: str) -> frozenset[str]:
    return frozenset(names)


ACTIONS: Final = (
    Action("app.help", "question_mark,f1", "?", "Help", "What this screen shows, and its keys"),
    Action("back", "escape,minus", "Esc", "Back",
           "Show all rows again after a filter, else to the screen before",
           _on("node", "jobs", "job", "artifacts", "artifact")),
    Action("back", "escape", "Esc", "All rows", "Show all rows again after a filter",
           _on("fleet"), quiet=True),
    Action("open", "enter", "Enter", "Open", "Look closer at the row under the cursor",
           _on("fleet", "jobs", "artifacts")),
    Action("open", "enter", "Enter", "Job",
           "The job that made the version; in the lineage, the artifact under the cursor",
           _on("artifact")),
    Action("app.jobs", "2,f2", "2", "Jobs", "Every job and its state",
           _on("fleet", "node", "job", "artifacts")),
    Action("app.jobs", "2,f2", "2", "Jobs", "Every job and its state", _on("artifact"),
           quiet=True),
    Action("app.artifacts", "3,f3", "3", "Artifacts",
           "What jobs have made: datasets, models, reports and their versions",
           _on("fleet")),
    Action("app.artifacts", "3,f3", "3", "Artifacts",
           "What jobs have made: datasets, models, reports and their versions",
           _on("node", "jobs", "job", "artifact"), quiet=True),
    Action("app.fleet", "1", "1", "Fleet", "Every GPU of every node",
           _on("node", "jobs", "job", "artifacts", "artifact"),
           quiet=True),
    Action("app.launch", "n", "n", "New", "Start an example or a script of yours",
           _on("fleet", "jobs", "node", "job", "artifacts"), changes=True),
    Action("filter", "slash", "/", "Filter", "Show only the rows that contain some words",
           _on("fleet", "node", "jobs", "artifacts", "artifact")),
    Action("swap", "v", "v", "GPUs/nodes", "Rows of GPUs or rows of nodes", _on("fleet"),
           quiet=True),
    Action("search", "slash", "/", "Search", "Only the lines of the log that contain some words",
           _on("job")),
    Action("ranks", "r", "r", "Ranks", "Only the lines of the log that some ranks printed",
           _on("job"), quiet=True),
    Action("stacks", "t", "t", "Stacks", "Where in its program each rank is right now",
           _on("jobs", "job")),
    Action("mark", "space", "Space", "Mark", "Mark the row for what is done to many, or unmark it",
           _on("jobs")),
    Action("mark_range", "ctrl+at,ctrl+space", "^Space", "Mark to here",
           "Mark the rows from the last marked one to the cursor", _on("jobs"), quiet=True),
    Action("mark_array", "a", "a", "Mark array",
           "Mark every job of the array that the row belongs to", _on("jobs"), quiet=True),
    Action("mark", "space", "Space", "Compare",
           "Mark the version: beside other marked ones stands what differs from the first",
           _on("artifact")),
    Action("next_part", "tab", "Tab", "Next part",
           "The next part of the screen: ranks, log, history", _on("job"), quiet=True),
    Action("next_part", "tab", "Tab", "Next part",
           "The next part of the screen: versions, lineage, files", _on("artifact"), quiet=True),
    Action("part_before", "shift+tab", "Shift+Tab", "Part before", "The part before",
           _on("job", "artifact"), quiet=True),
    Action("alias", "a", "a", "Alias", "Give the version an alias, or move one to it",
           _on("artifact"), changes=True),
    Action("unalias", "X", "X", "Remove", "Take an alias away from the version",
           _on("artifact"), changes=True),
    Action("stop", "K", "K", "Stop", "Ask jobs to end; they get time to save their work",
           _on("jobs", "job"), changes=True),
    Action("restart", "R", "R", "Restart",
           "A new attempt of a running job, or a new job like an ended one",
           _on("jobs", "job"), changes=True),
    Action("hold", "h", "h", "Hold", "Keep jobs that wait from starting, or let held ones start",
           _on("jobs", "job"), changes=True),
    Action("clone", "C", "C", "Clone", "A new job with the settings of this one, to be changed",
           _on("jobs", "job"), changes=True),
    Action("kill", "K", "K", "Kill", "Send SIGTERM, or SIGKILL, to the process under the cursor",
           _on("node"), changes=True),
    Action("logs", "l", "l", "Logs", "The log alone, or beside the curves", _on("job")),
    Action("copy", "c", "c", "Copy", "Copy what is under the cursor to the clipboard",
           _on("fleet", "node", "jobs", "job", "artifacts", "artifact"), quiet=True),
    Action("app.faster", "plus,equals_sign", "+", "Faster", "More samples a second, up to 10",
           quiet=True),
    Action("app.slower", "underscore", "_", "Slower", "Fewer samples a second, down to one in 5 s",
           quiet=True),
    Action("app.theme", "T", "T", "Theme", "The next theme", quiet=True),
    Action("app.clock", "z", "z", "UTC/local", "Clocks in UTC or in local time", quiet=True),
    Action("app.command", "colon", ":", "Command", "Type the name of a screen or a command"),
    Action("app.quit", "q,ctrl+q", "q", "Quit", "Leave, as Ctrl+C does; jobs and the agent go on"),
)  # fmt: skip

GRID_KEYS: Final = (
    ("↑ ↓ j k", "Move the cursor; PageUp, PageDown, Home, End jump"),
    ("< >", "Sort by the column before or after; a click on a header sorts, too"),
    ("I", "Turn the order around"),
    ("Tab", "To the next part of the screen"),
)
"""What every grid knows, for the help."""


def offered(screen: str, *, readonly: bool) -> list[Action]:
    """The actions of a screen."""
    return [
        action
        for action in ACTIONS
        if (not action.screens or screen in action.screens) and not (readonly and action.changes)
    ]


def bindings(screen: str) -> list[Binding]:
    """A screen's own bindings; those offered everywhere belong to the app."""
    mine = [action for action in ACTIONS if screen in action.screens]
    return [_binding(action) for action in mine]


def app_bindings() -> list[Binding]:
    """What is offered everywhere."""
    return [_binding(action) for action in ACTIONS if not action.screens]


def _binding(action: Action) -> Binding:
    return Binding(
        action.keys,
        action.name,
        action.title,
        show=False,
        tooltip=action.tooltip,
        id=action.name.removeprefix("app."),
    )
