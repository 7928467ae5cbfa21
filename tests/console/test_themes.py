"""Themes: every palette knows every role, can be read, and tells nothing by colour alone."""

import pytest
from rich.color import Color, ColorSystem
from textual.app import App, ComposeResult
from textual.widgets import Static

from llmos.agents.errors import UsageError
from llmos.console import themes
from llmos.console.ramp import even_steps

TEXT = themes._role_table().text


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_contrast_of_black_and_white_is_the_known_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("name", themes.NAMES)
@pytest.mark.parametrize("ground", ["ground", "raised", "panel", "selection"])
def test_words_can_be_read_on_every_ground(name: str, ground: str) -> None:
    colour = themes.colours(name)
    weak = {role: contrast(colour[role], colour[ground]) for role in TEXT}
    assert {role: value for role, value in weak.items() if value < 4.5} == {}


@pytest.mark.parametrize("name", themes.NAMES)
@pytest.mark.parametrize("ground", ["ground", "raised"])
def test_curves_and_loads_stand_out_from_the_ground(name: str, ground: str) -> None:
    colour = themes.colours(name)
    for curve in themes.palette(name).series:  # also the ink of the legend's figures
        assert contrast(colour[curve], colour[ground]) >= 4.5
    for number, load in enumerate(themes.ramp_colours(name)):  # words stand on high loads only
        assert contrast(load, colour[ground]) >= (4.5 if number > 20 else 3.0)


@pytest.mark.parametrize("name", themes.NAMES)
def test_all_palettes_know_the_same_colours(name: str) -> None:
    chosen = themes.palette(name)
    assert chosen.colours.keys() == themes.palette(themes.DEFAULT).colours.keys()
    assert len(chosen.series) == 6
    assert len(set(chosen.series)) == 6


@pytest.mark.parametrize("name", themes.NAMES)
def test_the_ramp_has_even_steps_that_stay_apart_in_256_colours(name: str) -> None:
    ramp = themes.ramp_colours(name)
    assert len(set(ramp)) == themes.RAMP_STEPS
    coarse = [Color.parse(step).downgrade(ColorSystem.EIGHT_BIT) for step in ramp]
    assert len(set(coarse)) >= 8
    ground = Color.parse(themes.colours(name)["ground"])
    assert ground.downgrade(ColorSystem.EIGHT_BIT) not in coarse


@pytest.mark.parametrize("name", themes.NAMES)
def test_every_ink_is_visible_in_16_colours(name: str) -> None:
    colour = themes.colours(name)
    ground = Color.parse(colour["ground"]).downgrade(ColorSystem.STANDARD)
    inks = [*(colour[role] for role in TEXT), *themes.ramp_colours(name)]
    for ink in inks:
        assert Color.parse(ink).downgrade(ColorSystem.STANDARD) != ground


@pytest.mark.parametrize("name", themes.NAMES)
def test_a_high_load_is_no_alarm_in_16_colours(name: str) -> None:
    coarse = [Color.parse(s).downgrade(ColorSystem.STANDARD) for s in themes.ramp_colours(name)]
    assert not {1, 9} & {colour.number for colour in coarse}


@pytest.mark.parametrize("name", themes.NAMES)
@pytest.mark.parametrize("ground", ["raised", "panel"])
def test_grounds_stay_grey_in_256_colours(name: str, ground: str) -> None:
    coarse = Color.parse(themes.colours(name)[ground]).downgrade(ColorSystem.EIGHT_BIT)
    assert len(set(coarse.get_truecolor())) == 1


def test_the_colourblind_ramp_is_told_by_lightness_alone() -> None:
    lightness = [luminance(step) for step in themes.ramp_colours("colourblind")]
    assert lightness == sorted(lightness)
    assert lightness[-1] > 3 * lightness[0]


def test_even_steps_start_and_end_at_the_stops() -> None:
    steps = even_steps(("#102030", "#808080", "#f0e0d0"), 9)
    assert (steps[0], steps[-1]) == ("#102030", "#f0e0d0")


def test_ramp_of_a_figure() -> None:
    roles = themes.roles("dark")
    assert roles.ramp(-3.0) is roles.steps[0]
    assert roles.ramp(0.5) is roles.steps[16]
    assert roles.ramp(7.0) is roles.steps[-1]
    assert roles.ramp(float("nan")) is roles.faint


def test_roles_are_made_once_and_stand_on_the_ground_they_are_asked_for() -> None:
    assert themes.roles("light", "raised") is themes.roles("light", "raised")
    assert themes.roles("light", "#abcdef").ok.bgcolor == Color.parse("#abcdef")
    assert themes.roles("textual-dark") is themes.roles(themes.DEFAULT)


def test_without_shades_the_cursor_is_reverse() -> None:
    assert themes.roles("dark", depth="few").selection.reverse
    assert not themes.roles("dark").selection.reverse
    assert themes.roles("dark").bad.bold


@pytest.mark.parametrize(
    ("wrong", "hint"), [("drak", "did you mean dark?"), ("zz", "there are dark, light")]
)
def test_an_unknown_theme_is_refused_with_a_hint(wrong: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint.replace("?", r"\?")):
        themes.palette(wrong)


class Sample(App[None]):
    CSS_PATH = themes.STYLE_SHEETS

    def __init__(self, theme: str) -> None:
        super().__init__()
        for each in themes.themes():
            self.register_theme(each)
        self.theme = theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.variables()

    def compose(self) -> ComposeResult:
        yield Static("words", classes="bad")


@pytest.mark.parametrize("name", [*themes.NAMES, "nord"])
async def test_the_style_sheet_holds_in_every_theme(name: str) -> None:
    async with Sample(name).run_test() as pilot:
        shown = pilot.app.query_one(Static).styles.color.hex.lower()
        expected = name if name in themes.NAMES else themes.DEFAULT
        assert shown == themes.colours(expected)["bad"]


async def test_without_unicode_frames_are_ascii() -> None:
    async with Sample("dark").run_test() as pilot:
        pilot.app.add_class("-ascii")
        shown = pilot.app.query_one(Static)
        shown.add_class("panel")
        await pilot.pause()
        assert shown.styles.border_top[0] == "ascii"


async def test_widgets_get_the_styles_of_their_own_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    async with Sample("light").run_test() as pilot:
        widget = pilot.app.query_one(Static)
        widget.styles.background = "#eeeeee"
        assert themes.roles_for(widget).text.bgcolor == Color.parse("#eeeeee")


async def test_no_color_is_few_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with Sample("dark").run_test() as pilot:
        assert themes.depth_of(pilot.app) == "few"
