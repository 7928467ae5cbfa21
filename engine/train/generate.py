"""Lets a model write: a person sees in its text what no figure says."""

import torch
from tokenizers import Tokenizer
from transformers.models.gpt2.modeling_gpt2 import GPT2LMHeadModel

from .tokenizer import end_token

TEMPERATURE = 0.8
CHOICES = 40
"""Only the likeliest tokens may follow: Fan et al. 2018, "Hierarchical Neural Story Generation"."""


@torch.inference_mode()
def sample(
    model: GPT2LMHeadModel, tokenizer: Tokenizer, prompt: str, length: int, seed: int
) -> str:
    """The prompt and up to `length` tokens that the model writes after it, until it ends."""
    end = end_token(tokenizer)
    tokens = [end, *tokenizer.encode(prompt).ids]
    random = torch.Generator(device=model.device).manual_seed(seed)
    model.train(False)
    for _ in range(length):
        seen = torch.tensor([tokens[-model.config.n_positions :]], device=model.device)
        scores, choices = (
            model(seen, use_cache=False)
            .logits[0, -1]
            .float()
            .topk(min(CHOICES, model.config.vocab_size))
        )
        drawn = torch.multinomial((scores / TEMPERATURE).softmax(-1), 1, generator=random)
        tokens.append(int(choices[drawn]))
        if tokens[-1] == end:
            break
    return str(tokenizer.decode(tokens))
