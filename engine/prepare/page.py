"""The report as a page that needs nothing else: no script, no picture, no net."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from .account import LENGTHS, Shape, StepAccount
from .report import Report

STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --bar: #3b7dd8; --gone: #d8803b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.bar { width: 30%; } td.bar div { height: .9rem; background: var(--bar); min-width: 1px; }
td.bar div.before { background: var(--gone); height: .45rem; }
td.bar div.after { height: .45rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: 13px; }
summary { cursor: pointer; } small { opacity: .7; }
"""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """The page, as HTML. Every text of the data is escaped in it."""
    name = escape(report.dataset)
    parts = (
        f"<h1>{name}</h1>",
        f"<p>{_n(report.before.rows)} rows read, {_n(report.after.rows)} in the dataset, "
        f"{_n(report.aside.rows)} kept aside; {_n(report.shards)} shards.</p>",
        "<h2>Steps</h2>",
        _steps(report.steps),
        *map(_details, report.steps),
        "<h2>Sources</h2>",
        _sources(report),
        "<h2>Parts</h2>",
        _parts(report.parts),
        _labels(report),
        "<h2>Lengths of the texts</h2>",
        _lengths(report.before, report.after),
        "<h2>Kept aside</h2>",
        _aside(report),
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width"><style>'
        f"{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _steps(steps: Sequence[StepAccount]) -> str:
    most = max((step.before for step in steps), default=0)
    rows = (
        [
            escape(step.name),
            _n(step.before),
            _n(step.after),
            _n(step.after - step.before),
            _n(step.changed),
            _bar(step.after, most),
        ]
        for step in steps
    )
    return _table(["step", "#in", "#out", "#difference", "#changed", "|left"], rows)


def _details(step: StepAccount) -> str:
    """What a step counted, and some of what it dropped or changed, to be opened."""
    if not step.counts and not step.samples:
        return ""
    counts = ", ".join(
        f"{escape(name)}: {_n(count)}"
        for name, count in sorted(step.counts.items(), key=lambda item: -item[1])
    )
    samples = [
        [escape(s.place), escape(s.why), f"<pre>{escape(s.text)}</pre>"] for s in step.samples
    ]
    table = _table(["place", "why", "text"], samples) if samples else ""
    return (
        f"<details><summary>{escape(step.name)}: {counts or 'samples'}</summary>{table}</details>"
    )


def _sources(report: Report) -> str:
    rows = (
        [
            escape(source.name) + f"<br><small>{'<br>'.join(map(escape, source.paths))}</small>",
            escape(source.licence),
            f"{source.weight:g}",
            _n(source.files),
            _n(source.size),
            _n(source.rows),
            _n(source.aside),
            _n(source.dropped),
        ]
        for source in report.sources
    )
    head = ["source", "licence", "#weight", "#files", "#bytes", "#rows", "#aside", "#dropped"]
    return _table(head, rows)


def _parts(parts: Mapping[str, Shape]) -> str:
    most = max((shape.rows for shape in parts.values()), default=0)
    return _table(
        ["part", "#rows", "#characters", "|"],
        (
            [escape(name), _n(shape.rows), _n(shape.characters), _bar(shape.rows, most)]
            for name, shape in parts.items()
        ),
    )


def _labels(report: Report) -> str:
    if not report.before.labels:
        return ""
    names = sorted(report.before.labels, key=lambda name: -report.before.labels[name])
    rows = (
        [
            escape(name),
            _n(report.before.labels[name]),
            *(_n(shape.labels.get(name, 0)) for shape in report.parts.values()),
        ]
        for name in names
    )
    return "<h2>Labels</h2>" + _table(
        ["label", "#read", *(f"#{part}" for part in report.parts)], rows
    )


def _lengths(before: Shape, after: Shape) -> str:
    counts = [shape.lengths or [0] * LENGTHS for shape in (before, after)]
    used = [at for at in range(LENGTHS) if counts[0][at] or counts[1][at]]
    most = max(map(max, counts), default=0)
    rows = (
        [
            f"{_n(1 << at)} to {_n((2 << at) - 1)}",
            _n(counts[0][at]),
            _n(counts[1][at]),
            _bar(counts[0][at], most, "before") + _bar(counts[1][at], most, "after"),
        ]
        for at in used
    )
    return _table(["characters", "#read", "#in the dataset", "|"], rows)


def _aside(report: Report) -> str:
    if not report.aside.rows:
        return "<p>Nothing.</p>"
    reasons = ([escape(why), _n(count)] for why, count in report.aside.reasons.items())
    first = (
        [escape(row.place), escape(row.why), f"<pre>{escape(row.beginning)}</pre>"]
        for row in report.aside.first
    )
    return _table(["why", "#rows"], reasons) + _table(["place", "why", "beginning"], first)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns whose title begins with # hold numbers, those with | bars."""
    classes = [{"#": ' class="n"', "|": ' class="bar"'}.get(title[:1], "") for title in head]
    titles = "".join(
        f"<th{of}>{escape(title.lstrip('#|'))}</th>"
        for title, of in zip(head, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{of}>{cell}</td>" for cell, of in zip(row, classes, strict=True))
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _bar(count: int, most: int, sort: str = "") -> str:
    return f'<div class="{sort}" style="width:{100 * count / max(most, 1):.1f}%"></div>'


def _n(count: int) -> str:
    return f"{count:,}"
