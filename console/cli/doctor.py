"""`llmos doctor`: what is right and wrong on this host."""

import os
import sys
import textwrap
from typing import Final

import click

from .invocation import Invocation, as_json, common, pass_invocation

COLOURS: Final = {"ok": "32", "warn": "33", "bad": "1;31", "absent": "2"}
INDENT: Final = 22


@click.command(name="doctor")
@as_json
@common
@pass_invocation
@click.pass_context
def command(context: click.Context, invocation: Invocation, as_json: bool) -> None:
    """Say what is right and wrong on this host, and what to do.

    Exits with 1 if anything is bad. The JSON is {"schema", "checks"}: name, state (ok, warn, bad,
    absent), text, advice.
    """
    from .checks import examine
    from .printing import print_json

    findings = examine(invocation)
    if as_json:
        told = [{"name": name, **finding._asdict()} for name, finding in findings]
        print_json({"checks": told})
    else:
        for name, finding in findings:
            print(f"{_mark(finding.state)} {name:<{INDENT - 7}}{finding.text}")
            if finding.advice:
                margin = " " * INDENT
                print(
                    textwrap.fill(
                        finding.advice, 80, initial_indent=margin, subsequent_indent=margin
                    )
                )
    context.exit(any(finding.state == "bad" for _, finding in findings))


def _mark(state: str) -> str:
    """The word, in colour on a terminal that wants it."""
    word = f"{state:<6}"
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return word
    return f"\x1b[{COLOURS[state]}m{word}\x1b[0m"
