"""The command line that does what a form would: what a person may keep, change and run again."""

import shlex
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any, Final

from . import values
from .document import plain
from .draft import ABSENT, Draft, Table
from .fields import Path
from .opening import KEYS

OPTIONS: Final[dict[Path, str]] = {
    ("after",): "--after",
    **{(*key.split("."),): option for option, key in KEYS.items()},
}
"""What a script may be given as options."""

SCRIPT: Final[frozenset[Path]] = frozenset(
    {("kind",), ("command", "script"), ("command", "module"), ("command", "arguments")}
)
"""What the words after the two dashes say."""


def words_of(draft: Draft) -> list[str] | None:
    """The words after `llmos run`, or None where only a spec file can say it."""
    if draft.source is None:
        return _script_words(draft)
    settings = [
        (path, _default(draft, path) if value is ABSENT else value)
        for path, value in _settings(draft.table, draft.said, ())
    ]
    if any(value is ABSENT for _, value in settings):
        return None
    sets = [
        ["--set", f"{'.'.join(path)}={_set_text(draft, path, value)}"] for path, value in settings
    ]
    return [draft.source, *(word for pair in sets for word in pair)]


def command_line(draft: Draft, folder: FilePath) -> str:
    """What to type in a shell: `llmos run …`, after the making of a file if one is needed."""
    words = words_of(draft)
    if words is not None:
        return shlex.join(["llmos", "run", *words])
    whole = draft.whole()
    file = _new_file(str(whole["name"]), folder)
    lines = shlex.join(["printf", r"%s\n", *plain(whole)])
    return f"{lines} > {shlex.quote(file)} && llmos run {shlex.quote(file)}"


def _script_words(draft: Draft) -> list[str] | None:
    """`[--gpus N] [--ranks N] -- script args`, where that says it all."""
    command = draft.table.get("command", {})
    said = {path: value for path, value in _leaves(draft.table, ()) if path not in SCRIPT}
    if (
        draft.kind != "command"
        or not isinstance(command, dict)
        or not said.keys() <= OPTIONS.keys()
    ):
        return None
    script, module = command.get("script"), command.get("module")
    arguments = command.get("arguments", [])
    if (script and module) or not isinstance(arguments, list) or script == "-m":
        return None
    options = [word for path, value in said.items() for word in _option_words(OPTIONS[path], value)]
    start = ["-m", module] if module else [script] if script else []
    return [str(word) for word in (*options, "--", *start, *arguments)]


def _option_words(option: str, value: object) -> list[str]:
    """An option as it is given: a flag alone, one of many values as often as there are."""
    if isinstance(value, bool):
        return [option] if value else []
    many = value if isinstance(value, list) else [value]
    return [word for each in many for word in (option, str(each))]


def _settings(table: Table, said: Table, path: Path) -> Iterator[tuple[Path, Any]]:
    """What is to be set so that `said` becomes `table`; ABSENT for what would have to go."""
    for key, value in table.items():
        old = said.get(key, ABSENT)
        if old is not ABSENT and values.same(old, value):
            continue
        if isinstance(value, dict) and value and _plain_keys(value):
            yield from _settings(value, old if isinstance(old, dict) else {}, (*path, key))
        else:
            yield (*path, key), value
    for key, old in said.items():
        if key not in table and isinstance(old, dict):
            yield from _settings({}, old, (*path, key))
        elif key not in table:
            yield (*path, key), ABSENT


def _default(draft: Draft, path: Path) -> object:
    """What to set so that it is as if nothing was said; ABSENT where no text is that."""
    field = draft.fields.get(path)
    return ABSENT if field is None or field.default is None else field.default


def _leaves(table: Table, path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _plain_keys(table: Table) -> bool:
    """Whether `--set` can name each key: it parts them at dots and the value at the first "="."""
    return all(key and key == key.strip() and not {".", "="} & {*key} for key in table)


def _set_text(draft: Draft, path: Path, value: Any) -> str:
    """As the person typed it, if `--set` reads it so; else in TOML."""
    tried = (draft.texts.get(path, ""), value if isinstance(value, str) else "")
    said = (text for text in tried if text and values.same(values.as_set(text), value))
    return next(said, values.toml(value))


def _new_file(stem: str, folder: FilePath) -> str:
    """A name that no file there has: a copied line must not write over a person's spec."""
    stem = stem if stem.replace("-", "").replace("_", "").isalnum() else "spec"
    names = (f"{stem}{number}.toml" for number in ("", *(f"-{at}" for at in range(2, 1000))))
    return next((name for name in names if not (folder / name).exists()), f"{stem}-new.toml")
