"""The figures of a classifier, the order of texts, images that are moved, and what leads back."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from llmos.agents.errors import LaunchError
from llmos.engine.progress import Progress
from llmos.engine.train.classification import accuracy, macro_f1, mean_loss, predictions, wilson
from llmos.engine.train.divergence import KEEP, MOST, Watch
from llmos.engine.train.epochs import Epochs
from llmos.engine.train.imageclassification import shifted
from llmos.engine.train.labelled import Samples
from llmos.engine.train.register import artifact_name
from llmos.engine.train.spec import Data, Train, TrainSpec
from llmos.engine.train.textclassification import bucketed

SAID = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
LABELS = np.array([0, 1, 1, 2])
DATA = Data(source="sklearn:digits")


def test_the_figures_are_those_of_scikit_learn() -> None:
    from sklearn import metrics  # type: ignore[import-untyped]

    chosen = SAID.argmax(axis=1)
    assert accuracy(SAID, LABELS) == metrics.accuracy_score(LABELS, chosen) == 0.75
    assert macro_f1(SAID, LABELS) == pytest.approx(
        metrics.f1_score(LABELS, chosen, average="macro")
    )
    assert mean_loss(SAID, LABELS) == pytest.approx(metrics.log_loss(LABELS, SAID))


def test_wilson_s_interval_holds_at_the_ends() -> None:
    # 10 of 10: Newcombe 1998, "Two-sided confidence intervals for the single proportion".
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    low, high = wilson(0.5, 100)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_a_prediction_names_what_the_model_is_surest_of() -> None:
    samples = Samples(["a", "b", "c", "d"], [""] * 4, LABELS)
    said = predictions(SAID, samples, ["x", "y", "z"])[2]
    assert (said.id, said.label, said.predicted, said.score) == ("c", "y", "x", 0.6)


def test_texts_of_about_one_length_share_a_batch_and_each_is_there_once() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 200, 1003)
    order = bucketed(lengths, 8, random)
    assert sorted(order) == list(range(1003))
    batches = lengths[order[:1000]].reshape(-1, 8)
    padded = (batches.max(axis=1) * 8).sum() / batches.sum()
    assert padded < 1.1 < 1.5 < lengths.max() / lengths.mean()
    assert (order != bucketed(lengths, 8, random)).any()


def test_moved_images_keep_their_middle() -> None:
    images = np.zeros((50, 8, 8, 3), dtype=np.uint8)
    images[:, 3:5, 3:5] = 255
    moved = shifted(images, 1, np.random.default_rng(0))
    assert moved.shape == images.shape
    assert (moved.sum(axis=(1, 2, 3)) == images[0].sum()).all()
    assert len({image.tobytes() for image in moved}) == 9


@pytest.mark.parametrize(
    ("name", "save_as", "called"),
    [
        ("digits", "", "digits"),
        ("mine[lr=1e-3,seed=1]", "", "mine-lr-1e-3-seed-1"),
        ("mine", "best", "best"),
        ("…", "", "model"),
        (None, "", "model"),
    ],
)
def test_a_model_s_name_is_one_that_artifacts_can_have(
    name: str | None, save_as: str, called: str
) -> None:
    assert artifact_name(TrainSpec(name=name, train=Train(data=DATA, save_as=save_as))) == called


class Trained:
    """One weight under a watch, and steps that are said to have had some loss."""

    def __init__(self) -> None:
        self.model = torch.nn.Linear(1, 1, bias=False)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.watch = Watch(self.model, self.optimizer, Accelerator(cpu=True))
        self.step = 0

    def goes(self, loss: float, norm: float = 1.0) -> str | None:
        self.step += 1
        self.model.weight.grad = torch.full((1, 1), norm)
        self.optimizer.step()
        return self.watch.after(self.step, loss, norm)

    def weight(self) -> float:
        return self.model.weight.item()


def test_a_gradient_that_is_no_number_leads_back_to_the_last_good_weights() -> None:
    trained = Trained()
    assert [trained.goes(1.0) for _ in range(KEEP)] == [None] * KEEP
    good = trained.weight()
    trained.goes(1.0)
    said = trained.goes(float("nan"), float("nan"))
    assert said == (
        "step 52: the gradient is no number; back to the weights of step 50, "
        "and the batches of steps 51 to 52 are skipped"
    )
    assert trained.weight() == good
    trained.goes(1.0)
    assert trained.weight() < good


def test_a_loss_that_jumps_leads_back_and_a_batch_that_is_missed_does_not() -> None:
    trained = Trained()
    for _ in range(KEEP):
        trained.goes(2.0 if trained.step < 20 else 0.01)
    assert [trained.goes(1.9) for _ in range(10)] == [None] * 10
    missed = [9.0 if at in (2, 7) else 0.01 for at in range(20)]
    assert [trained.goes(loss) for loss in missed] == [None] * 20
    said = [trained.goes(9.0) for _ in range(10)]
    assert said[:9] == [None] * 9
    assert str(said[9]).startswith("step 90: the loss has jumped, to 9 here; back to")


def test_what_diverges_again_and_again_fails_and_names_the_rate() -> None:
    trained = Trained()
    for _ in range(MOST):
        trained.goes(1.0, float("inf"))
    with pytest.raises(LaunchError, match=r"diverged 6 times.*; lower \$\.train\.learning_rate"):
        trained.goes(1.0, float("inf"))


class Declining:
    """Work that becomes better until its third epoch."""

    steps_per_epoch = 2

    def __init__(self) -> None:
        self.model = torch.nn.Linear(1, 1)
        self.figures = iter([0.1, 0.2, 0.3, 0.3, 0.2, 0.9])

    def validate(self) -> dict[str, float]:
        return {"val_accuracy": next(self.figures)}


def test_training_ends_when_patience_does_and_keeps_the_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = Declining()
    train = Train(data=DATA, epochs=6, steps=12, patience=2)
    progress = Progress(tmp_path / "rank-0.jsonl")
    epochs = Epochs(work, train, Accelerator(cpu=True), progress)  # type: ignore[arg-type]
    for step in range(1, 13):
        with torch.no_grad():
            work.model.weight.fill_(step)
        if epochs.after(step, 1.0):
            break
    epochs.finish()
    assert step == 10
    assert work.model.weight.item() == 6
    said = capsys.readouterr().out
    assert "no better than in epoch 3 since: training ends" in said
    assert "the weights are those of epoch 3, the best" in said
