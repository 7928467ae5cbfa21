"""Figures of a classification, against those counted by hand."""

import numpy as np
import pytest

from llmos.agents.errors import SpecError
from llmos.engine.evaluate.metrics import calibration, figures, mistakes, slices
from llmos.engine.evaluate.outcome import Outcome, from_file
from llmos.engine.evaluate.perturb import perturbed
from llmos.engine.evaluate.rows import Rows


def rows(labels: str, texts: list[str] | None = None, **columns: str) -> Rows:
    """A row for each letter of `labels`."""
    values = texts or [f"text {at}" for at in range(len(labels))]
    ids = [f"r{at}" for at in range(len(labels))]
    return Rows(ids, values, list(labels), {k: list(v) for k, v in columns.items()}, [])


def outcome(predicted: str, sure: list[float]) -> Outcome:
    """Of two classes, a and b."""
    score = np.array(sure)
    of_b = np.where(np.array(list(predicted)) == "b", score, 1 - score)
    both = {"a": 1 - of_b, "b": of_b}
    return Outcome(name="m", predicted=np.array(list(predicted)), score=score, probabilities=both)


def test_figures_of_a_small_table() -> None:
    found = figures(outcome("aabb", [0.9, 0.8, 0.7, 0.6]), rows("aaab"))
    assert found.accuracy == 0.75
    assert found.confusion == [[2, 1], [0, 1]]
    assert found.f1 == {"a": pytest.approx(0.8), "b": pytest.approx(2 / 3)}
    assert found.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    # b's probabilities: 0.1, 0.2, 0.7 of a's, 0.6 of b's: two of three pairs stand rightly.
    assert found.auc == pytest.approx(2 / 3)
    assert found.log_loss == pytest.approx(-np.log([0.9, 0.8, 0.3, 0.6]).mean())
    assert found.brier == pytest.approx(2 * np.mean([0.01, 0.04, 0.49, 0.16]))
    assert found.low < 0.75 < found.high


def test_a_class_that_only_the_model_knows_is_shown() -> None:
    found = figures(Outcome(name="m", predicted=np.array(["a", "c"])), rows("ab"))
    assert found.labels == ["a", "b", "c"]
    assert found.confusion == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert (found.auc, found.ece, found.log_loss) == (None, None, None)


def test_calibration_is_how_often_it_is_right_where_it_is_so_sure() -> None:
    said = outcome("aaaa", [0.91, 0.93, 0.55, 0.57])
    bins = calibration(said, rows("aabb"))
    assert [(one.rows, one.right) for one in bins] == [(2, 0.0), (2, 1.0)]
    assert figures(said, rows("aabb")).ece == pytest.approx((0.56 + 0.08) / 2)
    sure = outcome("a", [1.0])
    assert calibration(sure, rows("a"))[0].rows == 1


def test_slices_by_column_and_length() -> None:
    texts = ["x", "xx", "xxx", "xxxx"]
    found = slices(outcome("aaaa", [0.9] * 4), rows("aabb", texts, shop="uvuv"))
    assert [(one.by, one.value, one.rows, one.accuracy) for one in found] == [
        ("shop", "u", 2, 0.5),
        ("shop", "v", 2, 0.5),
        ("length", "1 to 1 characters", 1, 1.0),
        ("length", "2 to 2 characters", 1, 1.0),
        ("length", "3 to 3 characters", 1, 0.0),
        ("length", "4 to 4 characters", 1, 0.0),
    ]


def test_the_surest_mistakes_come_first() -> None:
    found = mistakes(outcome("abab", [0.6, 0.9, 0.8, 0.7]), rows("bbba"), 2)
    assert [(one.id, one.label, one.predicted, one.score) for one in found] == [
        ("r2", "b", "a", 0.8),
        ("r3", "a", "b", 0.7),
    ]


def test_predictions_are_put_in_the_rows_order(tmp_path) -> None:
    path = tmp_path / "predictions.jsonl"
    line = '{{"id": "r{}", "label": "a", "predicted": "{}", "score": 0.5}}\n'
    path.write_text(line.format(1, "b") + line.format(0, "a") + line.format(9, "a"))
    found = from_file(path, rows("ab"), "$.evaluate.model", "m", None)
    assert found.predicted.tolist() == ["a", "b"]
    with pytest.raises(SpecError, match=r"says nothing of 2 of the 4 rows, as of r2, r3; it was"):
        from_file(path, rows("abab"), "$.evaluate.model", "m", None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "r0"}', r"predictions.jsonl:1: Object missing required field `label`"),
        ("no json", r"predictions.jsonl:1: JSON is malformed"),
        ('{"id":"r0","label":"a","predicted":"a","score":2}', "expected a score from 0 to 1"),
        ('{"id":"r0","label":"a","predicted":"a","score":NaN}', "JSON is malformed"),
    ],
)
def test_a_line_that_is_no_prediction_is_named(tmp_path, line: str, message: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(SpecError, match=message):
        from_file(path, rows("a"), "$.evaluate.model", "m", None)


def test_perturbations_are_the_same_for_a_seed_and_do_what_they_say() -> None:
    texts = ["The quick brown fox jumps over the lazy dog, and then over another one. " * 5] * 2
    for how in ("typos", "corruption"):
        once = perturbed(texts, how, 1)
        assert once == perturbed(texts, how, 1) != perturbed(texts, how, 2)
        assert once[0] != once[1] != texts[1]
        changed = sum(a != b for a, b in zip(once[0], texts[0], strict=False))
        assert changed > 0
    assert perturbed(["Abc dé"], "case", 0) == ["ABC DÉ"]
    assert perturbed(["one two three", "x", ""], "length", 0) == ["one two", "x", ""]
