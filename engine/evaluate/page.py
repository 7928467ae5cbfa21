"""The report as a page that needs nothing else: plots as SVG within it, no script, no net."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from .metrics import Figures
from .report import Report, verdict_line
from .verdict import told

STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --ink: #3b7dd8; --other: #d8803b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 2rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: 13px; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.verdict { font-size: 1.05em; } small { opacity: .7; }
"""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
SIDE: Final = 300
"""Pixels of a square plot."""

EDGE: Final = 46
"""Pixels around it for its labels."""

MOST_CLASSES: Final = 20
"""That a confusion matrix is drawn for."""


def page(report: Report) -> str:
    """The page, as HTML. Every text of the data is escaped in it."""
    title = escape(f"{report.model} on {report.data}")
    figures = report.figures
    parts = [
        f"<h1>{title}</h1><p>{report.task}, {report.rows:,} rows of the part {report.part}.</p>",
        _table(["figure", "#value"], [[name, f"{v:.4f}"] for name, v in report.metrics.items()]),
    ]
    if report.compared:
        parts.append(f"<h2>Beside others</h2><p>B is {escape(report.model)}; A is</p>")
        parts += [
            f'<p class="verdict"><b>{escape(one.figures.name)}</b>: {escape(verdict_line(one))}'
            f"<br><small>{escape(one.verdict.test)}, p = {one.verdict.p:.2g}</small></p>"
            for one in report.compared
        ]
    if isinstance(figures, Figures):
        parts += _of_classes(figures)
    if report.slices:
        parts += ["<h2>Slices</h2>", intervals(report)]
    if report.robustness:
        rows = [[one.how, escape(told(one.verdict))] for one in report.robustness]
        parts += ["<h2>With the texts changed</h2>", _table(["change", "accuracy"], rows)]
    if report.mistakes:
        parts += ["<h2>Surest mistakes</h2>", _mistakes(report)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width"><style>'
        f"{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _of_classes(figures: Figures) -> list[str]:
    rows = [[escape(name), f"{value:.4f}"] for name, value in figures.f1.items()]
    parts = ["<h2>F1 of each class</h2>", _table(["class", "#F1"], rows)]
    if len(figures.labels) <= MOST_CLASSES:
        parts += ["<h2>What was taken for what</h2>", confusion(figures)]
    if figures.calibration:
        parts += ["<h2>How sure, and how often right</h2>", calibration(figures)]
    return parts


def confusion(figures: Figures) -> str:
    """The confusion matrix: a row for each true class, shaded by its share of that class."""
    labels, cell = figures.labels, 44
    wide = 120 + cell * len(labels)
    drawn = []
    for row, counts in enumerate(figures.confusion):
        whole, y = max(sum(counts), 1), 30 + cell * row
        drawn.append(_text(112, y + cell / 2 + 4, labels[row], "end"))
        for column, count in enumerate(counts):
            x = 120 + cell * column
            drawn.append(
                f'<rect x="{x}" y="{y}" width="{cell - 2}" height="{cell - 2}" fill="var(--ink)" '
                f'fill-opacity="{0.08 + 0.8 * count / whole:.3f}"/>'
                + _text(x + cell / 2, y + cell / 2 + 4, f"{count}", "middle")
            )
    heads = [
        _text(120 + cell * (at + 0.5), 22, label[:7], "middle") for at, label in enumerate(labels)
    ]
    return _svg(wide, 36 + cell * len(labels), [*heads, *drawn])


def calibration(figures: Figures) -> str:
    """A dot for each bin, as large as its rows are many; the diagonal is a model that knows."""
    most = max(one.rows for one in figures.calibration)
    line = f'<line x1="{EDGE}" y1="{EDGE + SIDE}" x2="{EDGE + SIDE}" y2="{EDGE}" stroke="#888"/>'
    frame = (
        f'<rect x="{EDGE}" y="{EDGE}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#888"/>'
    )
    dots = [
        f'<circle cx="{EDGE + SIDE * one.sure:.1f}" cy="{EDGE + SIDE * (1 - one.right):.1f}" '
        f'r="{3 + 9 * (one.rows / most) ** 0.5:.1f}" fill="var(--ink)" fill-opacity=".7">'
        f"<title>{one.rows} rows: {one.sure:.3f} sure, {one.right:.3f} right</title></circle>"
        for one in figures.calibration
    ]
    marks = [
        _text(EDGE + SIDE * at, EDGE + SIDE + 18, f"{at:g}", "middle")
        + _text(EDGE - 8, EDGE + SIDE * (1 - at) + 4, f"{at:g}", "end")
        for at in (0, 0.5, 1)
    ]
    said = _text(EDGE + SIDE / 2, EDGE + SIDE + 38, "how sure", "middle")
    return _svg(SIDE + 2 * EDGE, SIDE + 2 * EDGE, [frame, line, *dots, *marks, said])


def intervals(report: Report) -> str:
    """Each slice's accuracy with its interval, on one axis."""
    left, tall = 260, 24
    drawn = []
    for row, one in enumerate(report.slices):
        y = 20 + tall * row
        at, low, high = (left + SIDE * value for value in (one.accuracy, one.low, one.high))
        name = f"{one.by}: {one.value}"
        drawn.append(
            _text(left - 10, y + 4, name[:36], "end")
            + f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="var(--ink)"/>'
            + f'<circle cx="{at:.1f}" cy="{y}" r="4" fill="var(--ink)"/>'
            + _text(left + SIDE + 12, y + 4, f"{one.accuracy:.3f} of {one.rows:,}", "start")
        )
    foot = 20 + tall * len(report.slices)
    marks = [_text(left + SIDE * at, foot + 8, f"{at:g}", "middle") for at in (0, 0.5, 1)]
    return _svg(left + SIDE + 120, foot + 20, [*drawn, *marks])


def _mistakes(report: Report) -> str:
    rows = (
        [
            escape(one.label),
            escape(one.predicted),
            "" if one.score is None else f"{one.score:.3f}",
            f"<pre>{escape(one.text or one.id)}</pre>",
        ]
        for one in report.mistakes
    )
    return _table(["is", "taken for", "#sure", "row"], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns whose title begins with # hold numbers."""
    classes = [' class="n"' if title.startswith("#") else "" for title in head]
    titles = "".join(
        f"<th{of}>{escape(title.lstrip('#'))}</th>" for title, of in zip(head, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{of}>{cell}</td>" for cell, of in zip(row, classes, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _svg(wide: float, tall: float, drawn: Iterable[str]) -> str:
    size = f'viewBox="0 0 {wide:.0f} {tall:.0f}" width="{wide:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(drawn)}</svg>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
