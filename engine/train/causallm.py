"""The task causal-lm: a GPT-2 from a configuration learns to go on with a text."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.nn import functional

from ..progress import Progress
from .baselines import bigram_perplexity, unigram_perplexity
from .corpus import Corpus, batches, load, prepare, save
from .evaluate import perplexity
from .generate import sample
from .model import new_model, parameters
from .save import save_model
from .spec import Train
from .tokenizer import end_token
from .work import Batch, Verdict

if TYPE_CHECKING:
    from ...agents.protocol.artifacts import Parent

TITLES: Final = {
    "held_out_perplexity": "this model",
    "bigram_perplexity": "interpolated bigram counts",
    "unigram_perplexity": "unigram counts",
}
"""What the rows of the table are called."""


class CausalLm:
    """Text in, perplexity on held-out text out."""

    def __init__(self, train: Train, corpus: Corpus, accelerator: Accelerator) -> None:
        self._train, self._corpus, self._accelerator = train, corpus, accelerator
        end = end_token(corpus.tokenizer)
        self._gpt = new_model(train.model, corpus.vocabulary, end, accelerator.device.type)
        self.model: torch.nn.Module = self._gpt
        windows = (len(corpus.training) - 1) // train.model.context
        self.steps_per_epoch = max(windows // train.batch, 1)
        self.parents: list[Parent] = []

    def introduction(self) -> str:
        """Parameters, vocabulary and tokens."""
        corpus = self._corpus
        return (
            f"{parameters(self._gpt):,} parameters, {corpus.vocabulary:,} tokens in the vocabulary"
            f"\n{len(corpus.training):,} tokens to learn from, {len(corpus.held_out):,} held out"
        )

    def batches(self, rank: int, ranks: int) -> Iterator[Batch]:
        """Windows: int64 [batch / ranks, context + 1]."""
        train = self._train
        own = batches(
            self._corpus.training, train.model.context, train.batch, train.seed, rank, ranks
        )
        for windows in own:
            yield {"windows": torch.from_numpy(windows)}

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """The mean cross entropy (nats) of each token after the first."""
        windows = batch["windows"]
        logits = model(windows[:, :-1], use_cache=False).logits
        return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())

    def counted(self, batch: Batch, ranks: int) -> dict[str, int]:
        """The tokens that are predicted."""
        windows = batch["windows"]
        return {"tokens": (windows.numel() - len(windows)) * ranks}

    def validate(self) -> dict[str, float]:
        """Nothing: the held-out text is for the verdict alone."""
        return {}

    def judge(self) -> Verdict:
        """The model's perplexity beside those of counting, on the same tokens."""
        corpus = self._corpus
        held_out = perplexity(self._gpt, corpus.held_out, self._accelerator)
        if not self._accelerator.is_main_process:
            return Verdict({}, "")
        counted = corpus.training, corpus.held_out, corpus.vocabulary
        results = {
            "held_out_perplexity": held_out,
            "bigram_perplexity": bigram_perplexity(*counted),
            "unigram_perplexity": unigram_perplexity(*counted),
        }
        lines = [f"{'perplexity on held-out text':<34}per token"]
        lines += [f"  {TITLES[name]:<30}{value:>11.1f}" for name, value in results.items()]
        return Verdict(results, "\n".join(lines))

    def save(self, folder: Path) -> None:
        """With its tokenizer."""
        save_model(self._gpt, self._corpus.tokenizer, folder)

    def farewell(self) -> str:
        """A text that the model writes."""
        train = self._train
        if not train.sample:
            return ""
        text = sample(self._gpt, self._corpus.tokenizer, train.prompt, train.sample, train.seed)
        return f"a sample of what it writes:\n\n{text}\n"


def new_work(train: Train, folder: Path, accelerator: Accelerator, progress: Progress) -> CausalLm:
    """The corpus is prepared by rank 0 in `folder` while the others wait. They read the same bytes,
    so that no two ranks can disagree on what a token or the held-out text is.

    Raises:
        SpecError: the text cannot be used.
    """
    progress.phase("preparing text")
    if accelerator.is_main_process:
        save(prepare(train), folder)
    accelerator.wait_for_everyone()
    corpus = load(folder)
    set_seed(train.seed)
    return CausalLm(train, corpus, accelerator)
