"""The curves of a job, from the agent's store and from what its ranks say now."""

from typing import Any

from llmos.agents.protocol.jobs import Curve, Metric
from llmos.console.jobcurves import LONGEST, JobCurves


def said(step: int, rank: int = 0, **values: float | str | None) -> Metric:
    return Metric(job="1", attempt=1, rank=rank, values={"step": step, **values})


def shown(curves: JobCurves) -> dict[str, list[tuple[float, float]]]:
    return {
        curve.name: list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))
        for plot in curves.plots()
        for curve in plot[0]
    }


def test_losses_stand_left_and_throughput_right():
    curves = JobCurves()
    curves.add([said(1, loss=4.0, val_loss=4.5, tokens=2048, dt=0.5, grad_norm=1.0)])
    (left, left_axes), (right, right_axes) = curves.plots()
    assert [curve.name for curve in left] == ["loss", "val_loss"]
    assert [curve.name for curve in right] == ["tokens/s"]
    assert (left_axes.title, right_axes.title, right_axes.unit) == ("Loss", "Throughput", "tok/s")
    assert right[0].y.tolist() == [4096.0]


def test_any_other_number_is_a_curve_where_there_is_no_loss():
    curves = JobCurves()
    curves.add([said(1, reward=0.5, speed=3.0)])
    assert shown(curves) == {"reward": [(1, 0.5)], "speed": [(1, 3.0)]}


def test_only_rank_0_is_drawn_and_words_are_no_points():
    curves = JobCurves()
    curves.add([said(1, rank=1, loss=9.0), said(1, phase="saving", loss=None)])
    assert not curves.known


def test_a_program_that_counts_no_steps_is_drawn_over_time():
    curves = JobCurves()
    curves.add([Metric(job="1", attempt=1, rank=0, values={"t": 100.5, "loss": 1.0})])
    assert shown(curves) == {"loss": [(100.5, 1.0)]}


def test_the_past_and_the_present_make_one_curve_without_doubles():
    curves = JobCurves()
    curves.load([Curve(name="loss", rank=0, attempt=1, steps=[1, 2, None], values=[5.0, 4.0, 3.0])])
    curves.add([said(2, loss=9.0), said(3, loss=3.5)])
    assert shown(curves) == {"loss": [(1, 5.0), (2, 4.0), (3, 3.5)]}


def test_a_new_attempt_starts_its_curves_anew():
    curves = JobCurves()
    curves.add([said(step, loss=1.0) for step in range(1, 50)])
    curves.load([])
    curves.add([said(1, loss=8.0)])
    assert shown(curves) == {"loss": [(1, 8.0)]}


def test_stored_tokens_and_seconds_become_throughput():
    curves = JobCurves()
    stored = {"tokens": [1000.0, 1000.0, 500.0], "dt": [0.5, 0.0, 0.25]}
    curves.load(
        [
            Curve(name=name, rank=0, attempt=1, steps=[1, 2, 3], values=values)
            for name, values in stored.items()
        ]
    )
    assert shown(curves) == {"tokens/s": [(1, 2000.0), (3, 2000.0)]}


def test_a_long_curve_is_thinned_from_its_old_end_and_stays_in_order():
    curves = JobCurves()
    curves.add([said(step, loss=float(step)) for step in range(3 * LONGEST)])
    points = shown(curves)["loss"]
    steps = [step for step, _ in points]
    assert LONGEST // 2 <= len(points) <= LONGEST
    assert steps == sorted(steps)
    assert steps[-100:] == list(range(3 * LONGEST - 100, 3 * LONGEST))
    assert steps[0] == 0


def test_a_curve_that_another_wrote_names_its_source_and_keeps_apart():
    curves = JobCurves()
    told: dict[str, Any] = {"steps": [1, 2], "rank": 0, "attempt": 1}
    curves.load(
        [
            Curve(name="loss", values=[5.0, 4.0], **told),
            Curve(name="loss", source="tensorboard runs/1", values=[6.0, 5.0], **told),
            Curve(name="tokens", source="tensorboard runs/1", values=[9.0, 9.0], **told),
        ]
    )
    curves.add([Metric(job="1", attempt=1, rank=0, source="tensorboard runs/1",
                       values={"step": 3, "loss": 4.5, "tokens": 9, "dt": 1.0})])  # fmt: skip
    assert shown(curves) == {
        "loss": [(1, 5.0), (2, 4.0)],
        "loss (tensorboard runs/1)": [(1, 6.0), (2, 5.0), (3, 4.5)],
    }


def test_a_single_curve_that_another_wrote_names_its_source_in_the_title():
    curves = JobCurves()
    curves.add(
        [Metric(job="1", attempt=1, rank=0, source="wandb run-1", values={"t": 1, "loss": 2.0})]
    )
    (_, axes), _ = curves.plots()
    assert axes.title == "Loss (wandb run-1)"
