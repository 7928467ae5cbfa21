"""The program of the kind `train`, run once in each rank: text in, a saved and judged model out."""

import os
import time
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import set_seed
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel

from ..catalog import Spec
from ..progress import Progress, own_progress
from .baselines import bigram_perplexity, unigram_perplexity
from .corpus import Corpus, batches, load, prepare, save
from .evaluate import perplexity
from .generate import sample
from .loop import run_steps
from .model import new_model, parameters
from .processor import new_accelerator
from .save import check_free, save_model
from .spec import Train, TrainSpec, check_batch
from .tokenizer import end_token


def run(spec: Spec) -> None:
    """Trains, judges and saves. Every rank calls it; rank 0 does what need be done only once.

    Raises:
        SpecError: the text cannot be used, or the batch does not go into the ranks.
        LaunchError: the model cannot be saved.
    """
    assert isinstance(spec, TrainSpec)  # noqa: S101 - the catalog gives each kind its own
    folder = Path(os.environ.get("LLMOS_TASK") or ".").absolute()
    progress = own_progress()
    try:
        _run(spec.train, folder, progress)
    finally:
        progress.close()


def _run(train: Train, folder: Path, progress: Progress) -> None:
    began = time.monotonic()
    progress.phase("starting")
    check_free(folder / "model")
    accelerator = new_accelerator(train)
    check_batch(train, accelerator.num_processes)
    corpus = _shared_corpus(train, folder / "data", accelerator, progress)
    set_seed(train.seed)
    end = end_token(corpus.tokenizer)
    model = new_model(train.model, corpus.vocabulary, end, accelerator.device.type)
    if accelerator.is_main_process:
        _introduce(model, corpus, accelerator)
    progress.phase("training")
    _fit(model, corpus, train, accelerator, progress)
    progress.phase("evaluating")
    held_out = perplexity(model, corpus.held_out, accelerator)
    if accelerator.is_main_process:
        _report(held_out, corpus, progress)
        _save(model, corpus, folder / "model", progress)
        _show_sample(model, corpus, train)
        print(f"done in {time.monotonic() - began:.0f} s")
    progress.phase("done")
    accelerator.end_training()


def _shared_corpus(
    train: Train, folder: Path, accelerator: Accelerator, progress: Progress
) -> Corpus:
    """The corpus that rank 0 prepares while the others wait. They read the same bytes, so that no
    two ranks can disagree on what a token or the held-out text is."""
    progress.phase("preparing text")
    if accelerator.is_main_process:
        save(prepare(train), folder)
    accelerator.wait_for_everyone()
    return load(folder)


def _fit(
    model: GPT2LMHeadModel,
    corpus: Corpus,
    train: Train,
    accelerator: Accelerator,
    progress: Progress,
) -> None:
    rank, ranks = accelerator.process_index, accelerator.num_processes
    # Alike until here, so that the first weights are; from here on each rank drops other units.
    set_seed(train.seed + rank)
    own = batches(corpus.training, train.model.context, train.batch, train.seed, rank, ranks)
    run_steps(accelerator.prepare(model), own, train, accelerator, progress)


def _introduce(model: GPT2LMHeadModel, corpus: Corpus, accelerator: Accelerator) -> None:
    print(
        f"{parameters(model):,} parameters, {corpus.vocabulary:,} tokens in the vocabulary\n"
        f"{len(corpus.training):,} tokens to learn from, {len(corpus.held_out):,} held out\n"
        f"{accelerator.num_processes} ranks on {accelerator.device.type}, "
        f"precision {'fp32' if accelerator.mixed_precision == 'no' else 'bf16'}"
    )


def _report(held_out: float, corpus: Corpus, progress: Progress) -> None:
    """Says the model's perplexity beside those of counting, on the same tokens."""
    counted = corpus.training, corpus.held_out, corpus.vocabulary
    results = {
        "held_out_perplexity": held_out,
        "bigram_perplexity": bigram_perplexity(*counted),
        "unigram_perplexity": unigram_perplexity(*counted),
    }
    print(f"\n{'perplexity on held-out text':<34}per token")
    for name, value in results.items():
        progress.result(name, value)
        print(f"  {TITLES[name]:<30}{value:>11.1f}")


TITLES = {
    "held_out_perplexity": "this model",
    "bigram_perplexity": "interpolated bigram counts",
    "unigram_perplexity": "unigram counts",
}
"""What the rows of the table are called."""


def _save(model: GPT2LMHeadModel, corpus: Corpus, folder: Path, progress: Progress) -> None:
    progress.phase("saving")
    save_model(model, corpus.tokenizer, folder)
    progress.artifact("model", folder)
    print(f"\nsaved as {folder}")


def _show_sample(model: GPT2LMHeadModel, corpus: Corpus, train: Train) -> None:
    if train.sample:
        text = sample(model, corpus.tokenizer, train.prompt, train.sample, train.seed)
        print(f"\na sample of what it writes:\n\n{text}\n")
