"""Saves a model as a transformers folder: safetensors, configuration, tokenizer; whole or not."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel
from transformers.utils import logging

from ...agents.errors import LaunchError
from .tokenizer import END


def check_free(folder: Path) -> None:
    """Nothing, if a model can come to lie there.

    Raises:
        LaunchError: something lies there already.
    """
    if folder.exists():
        raise LaunchError(f"{folder}: is there already; a model is never written over")


def save_model(model: GPT2LMHeadModel, tokenizer: Tokenizer, folder: Path) -> None:
    """A language model with the tokenizer that it was trained with.

    Raises:
        LaunchError: it cannot be written. What had been is removed.
    """
    fast = fast_tokenizer(tokenizer, model.config.n_positions)
    save_folder(folder, model.save_pretrained, fast.save_pretrained)


def save_folder(folder: Path, *parts: Callable[[Path], object]) -> None:
    """Lets each part write itself beside `folder`, then renames: `folder` is there only when all of
    it is on the disk.

    Raises:
        LaunchError: it cannot be written. What had been is removed.
    """
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    half_made = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        for save in parts:
            save(half_made)
        _flush(half_made)
        half_made.rename(folder)
    except OSError as error:
        raise LaunchError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(half_made, ignore_errors=True)


def fast_tokenizer(tokenizer: Tokenizer, context: int) -> PreTrainedTokenizerFast:
    """A tokenizer of ours as transformers knows it."""
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def _flush(folder: Path) -> None:
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
