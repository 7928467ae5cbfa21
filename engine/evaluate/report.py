"""What an evaluation came to, as one struct: report.json is it, report.html shows it."""

from pathlib import Path
from typing import Final

import msgspec

from .metrics import Figures, Mistake, Slice
from .textlm import TextFigures
from .verdict import Verdict, told

JSON: Final = "report.json"
PAGE: Final = "report.html"


class Compared(msgspec.Struct, frozen=True):
    """The model beside another: B is the model, A the other."""

    figures: Figures | TextFigures
    """The other's."""

    verdict: Verdict


class Perturbed(msgspec.Struct, frozen=True):
    """The model on changed texts: B is the model there, A on the texts as they are."""

    how: str
    verdict: Verdict


class Speed(msgspec.Struct, frozen=True):
    """Of one sample at a time on one rank."""

    samples: int
    p50: float
    """Seconds."""

    p99: float
    memory: int
    """Bytes that the rank held at most."""

    parameters: int


class Memorised(msgspec.Struct, frozen=True):
    """Texts of the train part that the model goes on with word for word."""

    hits: int
    tried: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of it. The speed is not in it: the same data and model give the same report."""

    task: str
    data: str
    part: str
    model: str
    rows: int
    aside: list[str]
    """Rows that could not be judged, the first of them."""

    figures: Figures | TextFigures
    compared: list[Compared] = []
    slices: list[Slice] = []
    robustness: list[Perturbed] = []
    mistakes: list[Mistake] = []
    memorised: Memorised | None = None
    format: int = 1

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that a list of artifacts shows."""
        of = self.figures
        if isinstance(of, TextFigures):
            found: dict[str, float | None] = {
                "perplexity": of.perplexity,
                "bits_per_byte": of.bits_per_byte,
            }
        else:
            found = {
                "accuracy": of.accuracy,
                "macro_f1": of.macro_f1,
                "auc": of.auc,
                "ece": of.ece,
                "log_loss": of.log_loss,
            }
        found |= {f"accuracy_{one.how}": one.verdict.b for one in self.robustness}
        if self.memorised and self.memorised.tried:
            found["memorised"] = self.memorised.hits / self.memorised.tried
        return {name: value for name, value in found.items() if value is not None}


def write(report: Report, folder: Path) -> None:
    """Writes report.json and report.html into a folder that is there."""
    from .page import page

    text = msgspec.json.format(msgspec.json.encode(report), indent=2)
    (folder / JSON).write_bytes(text + b"\n")
    (folder / PAGE).write_text(page(report), "utf-8")


def lines(report: Report) -> list[str]:
    """The report in a terminal."""
    said = [f"{report.model} on the {report.rows:,} rows of {report.part} in {report.data}"]
    said += _figures(report.figures)
    if report.slices:
        said += ["", f"{'slice':<34}{'rows':>7}{'accuracy':>10}  95 %"]
    said += [
        f"{f'{one.by}: {one.value}'[:33]:<34}{one.rows:>7,}{one.accuracy:>10.3f}"
        f"  {one.low:.3f} to {one.high:.3f}"
        for one in report.slices
    ]
    if report.robustness:
        said += ["", "with the texts changed"]
    said += [f"  {one.how:<12}{told(one.verdict)}" for one in report.robustness]
    if report.memorised:
        said += ["", f"of {report.memorised.tried} beginnings it has learned it goes on with "]
        said[-1] += f"{report.memorised.hits} word for word"
    if report.compared:
        said += ["", f"B is {report.model}; A is"]
    said += [f"  {one.figures.name}: {verdict_line(one)}" for one in report.compared]
    return said


def verdict_line(compared: Compared) -> str:
    """The verdict in one line."""
    return told(compared.verdict, percent=not isinstance(compared.figures, TextFigures))


def _figures(of: Figures | TextFigures) -> list[str]:
    if isinstance(of, TextFigures):
        return [
            f"  perplexity per token    {of.perplexity:.2f}",
            f"  bits per byte           {of.bits_per_byte:.4f}",
        ]
    said = [
        f"  accuracy                {of.accuracy:.4f}  (95 % {of.low:.3f} to {of.high:.3f})",
        f"  macro F1                {of.macro_f1:.4f}",
    ]
    named = (("AUC", of.auc), ("log loss", of.log_loss), ("calibration error", of.ece))
    return said + [f"  {name:<24}{value:.4f}" for name, value in named if value is not None]
