"""The task text-classification: existing weights, or a BERT from a configuration, learn to say
which class a text is of."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from tokenizers import processors
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertForSequenceClassification
from transformers.utils import logging

from ...agents.errors import SpecError
from ..progress import Progress
from .checks import WEIGHTS
from .classification import Classification, Places
from .labelled import Samples, from_folder, read_text
from .register import parent_of
from .save import fast_tokenizer, save_folder
from .spec import Model, Train
from .tokenizer import END, train_tokenizer

TOGETHER: Final = 32
"""Batches within which texts are sorted by length: little is padded, and the order stays random."""

WIDER: Final = 4
"""Times the width inside a layer's perceptron: Devlin et al. 2019, "BERT"."""

PAD: Final = "<|pad|>"


class TextInputs:
    """Tokens: int64 [samples, tokens of the longest]."""

    def __init__(self, tokenizer: Any, context: int) -> None:
        self._tokenizer, self._context = tokenizer, context
        self._known: dict[int, list[list[int]]] = {}

    def batch(
        self, samples: Samples, places: Places, random: np.random.Generator | None
    ) -> dict[str, torch.Tensor]:
        """Padded to the longest of them."""
        tokens = self._tokens(samples)
        own = [tokens[place] for place in places]
        width = max(map(len, own))
        ids = np.full((len(own), width), self._tokenizer.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(own), width), dtype=np.int64)
        for row, text in enumerate(own):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}

    def order(self, samples: Samples, batch: int, random: np.random.Generator) -> Places:
        """Texts of about one length in a batch."""
        lengths = np.array([len(tokens) for tokens in self._tokens(samples)])
        return bucketed(lengths, batch, random)

    def save(self, folder: Path) -> object:
        """As transformers' tokenizer."""
        return self._tokenizer.save_pretrained(folder)

    def _tokens(self, samples: Samples) -> list[list[int]]:
        """Of each text, cut to the context; made once."""
        known = self._known.get(id(samples))
        if known is None:
            known = self._tokenizer(samples.values, truncation=True, max_length=self._context)[
                "input_ids"
            ]
            self._known[id(samples)] = known
        return known


class TextClassification(Classification):
    """With the weights that it started from; what LoRA added to them is added up when saved."""

    def save(self, folder: Path) -> None:
        """With its tokenizer."""
        model = self.model
        if self._train.model.adapt == "lora":
            model = model.merge_and_unload()
        save_folder(folder, model.save_pretrained, self._inputs.save)


def bucketed(lengths: Places, batch: int, random: np.random.Generator) -> Places:
    """All places in an order in which those of a batch are of about one length: shuffled, sorted
    within some batches, and the batches shuffled again."""
    order = random.permutation(len(lengths))
    batches = []
    for first in range(0, len(order), TOGETHER * batch):
        some = order[first : first + TOGETHER * batch]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[start : start + batch] for start in range(0, len(some), batch)]
    whole = [places for places in batches if len(places) == batch]
    rest = [places for places in batches if len(places) < batch]
    random.shuffle(whole)
    return np.concatenate(whole + rest)


def new_work(
    train: Train, folder: Path, accelerator: Accelerator, progress: Progress
) -> Classification:
    """Every rank reads the texts; where the tokenizer is trained, rank 0 does it.

    Raises:
        SpecError: the dataset or the weights cannot be used.
    """
    progress.phase("reading texts")
    data = from_folder(train.data, "text", str, read_text, train.batch)
    set_seed(train.seed)
    if train.model.weights:
        tokenizer, model = _existing(train.model, data.labels)
    else:
        tokenizer = _own_tokenizer(train, data.training.values, folder, accelerator)
        model = _new_bert(train.model, tokenizer, data.labels)
    inputs = TextInputs(tokenizer, train.model.context)
    work = TextClassification(train, data, model, inputs, accelerator)
    if train.model.weights:
        work.parents.append(parent_of(Path(train.model.weights), "base model"))
    return work


def _existing(model: Model, labels: list[str]) -> tuple[Any, Any]:
    """The tokenizer and the model with a new head; nothing is unpickled, no code of it is run."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    kept = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(model.weights, **kept)
        network: Any = AutoModelForSequenceClassification.from_pretrained(
            model.weights,
            use_safetensors=True,
            num_labels=len(labels),
            id2label=dict(enumerate(labels)),
            label2id={label: number for number, label in enumerate(labels)},
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
            **kept,
        )
    except (OSError, ValueError, KeyError) as error:
        told = " ".join(str(error).split())
        raise SpecError(f"{WEIGHTS}: {model.weights}: cannot be loaded: {told}") from error
    _check_fits(model, tokenizer, network)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    network.config.pad_token_id = tokenizer.pad_token_id
    return tokenizer, _adapted(model, network)


def _check_fits(model: Model, tokenizer: Any, network: Any) -> None:
    known = network.get_input_embeddings().num_embeddings
    if len(tokenizer) > known:
        raise SpecError(
            f"{WEIGHTS}: {model.weights}: the tokenizer has {len(tokenizer)} tokens and the model "
            f"{known}; they do not belong together"
        )
    most = getattr(network.config, "max_position_embeddings", None)
    if most is not None and model.context > most:
        raise SpecError(
            f"$.train.model.context: expected at most the {most} tokens of the weights, "
            f"got {model.context}"
        )


def _adapted(model: Model, network: Any) -> Any:
    """The network with those weights that shall not be learned held still."""
    if model.adapt == "frozen":
        network.base_model.requires_grad_(False)
    if model.adapt == "lora":
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            task_type="SEQ_CLS",
            r=model.lora_rank,
            lora_alpha=2 * model.lora_rank,
            target_modules="all-linear",
        )
        return get_peft_model(network, config)
    return network


def _own_tokenizer(train: Train, texts: list[str], folder: Path, accelerator: Accelerator) -> Any:
    """A byte-level BPE of the training texts. Each text begins with the mark on whose place the
    model says the class."""
    if accelerator.is_main_process:
        made = train_tokenizer(texts, train.tokenizer.vocabulary)
        made.post_processor = processors.TemplateProcessing(
            single=f"{END} $A", special_tokens=[(END, made.token_to_id(END))]
        )
        tokenizer = fast_tokenizer(made, train.model.context)
        tokenizer.add_special_tokens({"pad_token": PAD})
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save_pretrained(folder)
    accelerator.wait_for_everyone()
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _new_bert(model: Model, tokenizer: Any, labels: list[str]) -> BertForSequenceClassification:
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=model.width,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=WIDER * model.width,
        max_position_embeddings=model.context,
        hidden_dropout_prob=model.dropout,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    return BertForSequenceClassification(config)
