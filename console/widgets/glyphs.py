"""The characters that drawings are made of: one set with Unicode, one without."""

import locale
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, eq=False)
class Glyphs:
    """One set of characters, each one cell wide unless said otherwise."""

    name: str
    """`unicode` or `ascii`."""
    rows: str
    """Nine fillings of a cell from below: nothing, then eight heights."""
    columns: str
    """Nine fillings of a cell from the left: nothing, then eight widths."""
    track: str
    """The empty part of a bar."""
    braille: bool
    """Whether curves may be drawn in braille dots, eight a cell."""
    upper_half: str
    """A cell whose upper half is ink, or `""` where there is none."""
    series: str
    """A mark for each series of a plot, where colours or braille cannot tell them apart."""
    horizontal: str
    vertical: str
    corner: str
    """Where a plot's axes meet."""
    tick_left: str
    """A tick on a vertical axis, whose label stands left of it."""
    tick_below: str
    """A tick on a horizontal axis, whose label stands below it."""
    grid: str
    """A faint line behind curves."""
    up: str
    down: str
    right: str
    ascending: str
    """Beside the header of a column sorted from low to high."""
    descending: str
    bullet: str
    separator: str
    """Between figures on one line."""
    ellipsis: str
    ok: str
    warn: str
    bad: str
    idle: str
    """Healthy and unused."""
    info: str
    """Under way."""
    unknown: str
    """Nothing was heard."""
    absent: str
    """In place of a figure where there is no room for `n/a`."""
    marked: str
    """Beside a row that a person marked."""


UNICODE = Glyphs(
    name="unicode",
    rows=" ▁▂▃▄▅▆▇█",
    columns=" ▏▎▍▌▋▊▉█",
    track=" ",
    braille=True,
    upper_half="▀",
    series="•+◇○△□",
    horizontal="─",
    vertical="│",
    corner="└",
    tick_left="┤",
    tick_below="┬",
    grid="┈",
    up="↑",
    down="↓",
    right="→",
    ascending="▲",
    descending="▼",
    bullet="•",
    separator="·",
    ellipsis="…",
    ok="●",
    warn="▲",
    bad="✖",
    idle="○",
    info="◐",
    unknown="?",
    absent="·",
    marked="▌",
)

ASCII = Glyphs(
    name="ascii",
    rows=" _.:-=+*#",
    columns=" -------#",
    track=".",
    braille=False,
    upper_half="",
    series="*+xo^%",
    horizontal="-",
    vertical="|",
    corner="+",
    tick_left="+",
    tick_below="+",
    grid=".",
    up="^",
    down="v",
    right=">",
    ascending="^",
    descending="v",
    bullet="*",
    separator="|",
    ellipsis="~",
    ok="o",
    warn="!",
    bad="x",
    idle="-",
    info="~",
    unknown="?",
    absent=",",
    marked=">",
)

_PLAIN_TERMINALS = frozenset({"linux", "vt100", "vt102", "vt220", "dumb", "ansi", "sun"})


def choose(environment: Mapping[str, str], encoding: str) -> Glyphs:
    """The set for a terminal, by its TERM and the encoding of its locale.

    `LLMOS_ASCII=1` asks for plain ASCII and `LLMOS_ASCII=0` for Unicode, whatever the rest says.
    """
    wish = environment.get("LLMOS_ASCII", "")
    if wish:
        return UNICODE if wish == "0" else ASCII
    if environment.get("TERM", "") in _PLAIN_TERMINALS:
        return ASCII
    return UNICODE if encoding.lower().replace("-", "") == "utf8" else ASCII


@cache
def glyphs() -> Glyphs:
    """The set for the terminal this process runs in."""
    return choose(os.environ, _locale_encoding(os.environ))


def _locale_encoding(environment: Mapping[str, str]) -> str:
    # Python turns LANG=C into UTF-8 for itself (PEP 538, 540); the terminal knows nothing of that.
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if value := environment.get(name, ""):
            break
    else:
        return locale.getencoding()
    if value in ("C", "POSIX"):
        return "ascii"
    return value.partition(".")[2].partition("@")[0] or locale.getencoding()
