"""Themes: palettes and roles from the data in `themes/`, as Textual themes and as rich styles.

A palette names colours, a role says what a colour means, a style sheet uses roles only.
"""

import difflib
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from rich.style import Style

from ..agents.errors import UsageError
from .ramp import even_steps

if TYPE_CHECKING:
    from textual.app import App
    from textual.theme import Theme
    from textual.widget import Widget

NAMES = ("dark", "light", "contrast", "colourblind")
DEFAULT = "dark"
RAMP_STEPS = 32

FOLDER = Path(__file__).resolve().parent.parent / "themes"
STYLE_SHEETS: list[str | PurePath] = [FOLDER / "console.tcss"]
"""What an app sets as its `CSS_PATH`."""

Depth = Literal["full", "few"]
"""Whether shades of colour can be told apart: `few` is 16 colours or none."""


class Palette(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One theme's colours, as `themes/NAME.toml` gives them."""

    title: str
    """What a person picks from a list."""

    dark: bool
    """Whether its ground is darker than its ink."""

    ramp: tuple[str, ...]
    """Colours of load, from low to high; the steps between them are mixed."""

    series: tuple[str, ...]
    """Names of the colours of a plot's curves, in order."""

    colours: dict[str, str]
    """Name → `#rrggbb`. All palettes know the same names."""

    roles: dict[str, str] = {}
    """Role → colour name, where this palette differs from `roles.toml`."""


class RoleTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`themes/roles.toml`: role → colour name, by what the role is drawn as."""

    text: dict[str, str]
    """Read as words."""

    shape: dict[str, str]
    """Lines and fillings."""

    ground: dict[str, str]
    """Behind words."""

    attributes: dict[str, str]
    """Role → rich attributes, which say the same without colour."""


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """The styles of one theme on one ground, for widgets that write their own strips.

    The instances are cached: take them from `roles`, and compare them with `is`.
    """

    base: Style
    """The ground alone, for padding."""
    text: Style
    dim: Style
    faint: Style
    """Also of what is absent."""
    title: Style
    header: Style
    key: Style
    accent: Style
    ok: Style
    warn: Style
    bad: Style
    idle: Style
    info: Style
    border: Style
    grid: Style
    track: Style
    """The empty part of a bar: a filling behind, and an ink for the character on it."""
    selection: Style
    """Laid over the row under the cursor: `style + roles.selection`. Not over bars: it is reverse
    where there are no shades."""
    mark: Style
    """Laid over a marked row."""
    steps: tuple[Style, ...]
    """The ramp of load, `RAMP_STEPS` inks from low to high."""
    series: tuple[Style, ...]
    """The inks of a plot's curves."""
    shades: bool
    """Whether shades of colour can be told apart on this terminal."""

    def ramp(self, fraction: float) -> Style:
        """The ink for a load from 0 to 1 (limited to it); NaN, which is absent, is faint."""
        if math.isnan(fraction):
            return self.faint
        last = len(self.steps) - 1
        return self.steps[int(min(max(fraction, 0.0), 1.0) * last + 0.5)]


def roles(theme: str, ground: str = "ground", depth: Depth = "full") -> Roles:
    """The styles of a theme; a theme that is not ours gets those of the default.

    Args:
        theme: One of `NAMES`.
        ground: What is behind: a colour name of the palette (`ground`, `raised`, `panel`) or
            `#rrggbb`.
        depth: `few` where shades cannot be told apart, see `depth_of`.
    """
    return _roles(theme if theme in NAMES else DEFAULT, ground, depth)


def roles_for(widget: "Widget") -> Roles:
    """The styles for a widget, on its own ground, as its app's theme and terminal are now."""
    app = widget.app
    return roles(app.theme, widget.background_colors[1].hex6.lower(), depth_of(app))


def depth_of(app: "App[Any]") -> Depth:
    """Whether an app's terminal shows shades of colour (unknown is drawn in full by Textual)."""
    few = app.no_color or app.console.color_system in ("standard", "windows")
    return "few" if few else "full"


@cache
def themes() -> tuple["Theme", ...]:
    """Every theme, for `App.register_theme`."""
    return tuple(textual_theme(name) for name in NAMES)


@cache
def textual_theme(name: str) -> "Theme":
    """One theme as Textual wants it, with each role as a variable (`$ok`, `$faint`, …)."""
    from textual.theme import Theme

    colour = colours(name)
    return Theme(
        name=name,
        dark=palette(name).dark,
        primary=colour["accent"],
        secondary=colour["info"],
        accent=colour["accent"],
        warning=colour["warn"],
        error=colour["bad"],
        success=colour["ok"],
        foreground=colour["text"],
        background=colour["ground"],
        surface=colour["raised"],
        panel=colour["panel"],
        text_alpha=1.0,
        variables=variables(name),
    )


def variables(name: str = DEFAULT) -> dict[str, str]:
    """The variables a style sheet may use beside Textual's own.

    An app returns those of the default theme from `get_theme_variable_defaults`, so that the
    style sheets hold whatever theme is set.
    """
    colour = colours(name)
    table = _role_table()
    own = {
        role: colour[role] for group in (table.text, table.shape, table.ground) for role in group
    }
    own.pop("text")  # Textual's own $text picks ink by what is behind it
    return own | {variable: colour[role] for variable, role in _TEXTUAL_VARIABLES.items()}


# Textual's variables → roles, where its own mixing of colours would not keep the contrast.
_TEXTUAL_VARIABLES = {
    "text-muted": "dim",
    "text-disabled": "faint",
    "foreground-muted": "dim",
    "foreground-disabled": "faint",
    "border": "accent",
    "border-blurred": "border",
    "block-cursor-background": "selection",
    "block-cursor-foreground": "title",
    "block-cursor-blurred-background": "panel",
    "block-cursor-blurred-foreground": "text",
    "block-hover-background": "panel",
    "input-selection-background": "selection",
    "scrollbar": "border",
    "scrollbar-hover": "faint",
    "scrollbar-active": "accent",
    "scrollbar-background": "ground",
    "scrollbar-background-hover": "ground",
    "scrollbar-background-active": "ground",
    "scrollbar-corner-color": "ground",
    "footer-background": "raised",
    "footer-foreground": "dim",
    "footer-description-foreground": "dim",
    "footer-key-foreground": "key",
    "link-color": "accent",
    "link-color-hover": "title",
    "link-background-hover": "selection",
}


@cache
def palette(name: str) -> Palette:
    """The palette of that name.

    Raises:
        UsageError: There is no such theme.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(NAMES)}"
        raise UsageError(f"there is no theme {name!r}: {hint}")
    return msgspec.toml.decode((FOLDER / f"{name}.toml").read_bytes(), type=Palette)


@cache
def colours(name: str) -> dict[str, str]:
    """Every colour of a theme as `#rrggbb`, by its name and by each role's name."""
    chosen = palette(name)
    table = _role_table()
    of_role = table.text | table.shape | table.ground | chosen.roles
    return chosen.colours | {role: chosen.colours[colour] for role, colour in of_role.items()}


@cache
def ramp_colours(name: str) -> tuple[str, ...]:
    """The `RAMP_STEPS` colours of a theme's ramp as `#rrggbb`, equally far apart to the eye."""
    return even_steps(palette(name).ramp, RAMP_STEPS)


@cache
def _role_table() -> RoleTable:
    return msgspec.toml.decode((FOLDER / "roles.toml").read_bytes(), type=RoleTable)


@cache
def _roles(name: str, ground: str, depth: Depth) -> Roles:
    colour = colours(name)
    behind = colour.get(ground, ground)
    table = _role_table()

    def ink(value: str, role: str = "") -> Style:
        attributes = Style.parse(table.attributes.get(role, ""))
        return Style(color=value, bgcolor=behind) + attributes

    def cover(role: str) -> Style:
        if depth == "few" and role == "selection":
            return Style(reverse=True)
        return Style(bgcolor=colour[role]) + Style.parse(table.attributes.get(role, ""))

    return Roles(
        base=Style(bgcolor=behind),
        **{role: ink(colour[role], role) for role in (*table.text, "border", "grid")},
        track=Style(color=colour["faint"], bgcolor=colour["track"]),
        selection=cover("selection"),
        mark=cover("mark"),
        steps=tuple(ink(step) for step in ramp_colours(name)),
        series=tuple(ink(colour[series]) for series in palette(name).series),
        shades=depth == "full",
    )
