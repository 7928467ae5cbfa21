"""Trains a small GPT-2 with the transformers Trainer, and knows of nothing else.

torchrun --standalone --nproc_per_node=2 train_trainer.py --max-steps 20
"""

import argparse
import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments


class Counting(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Numbers that go up by one, from anywhere."""

    def __len__(self) -> int:
        return 512

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        numbers = (torch.arange(16) + index) % 64
        return {"input_ids": numbers, "labels": numbers}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-steps", type=int, default=20)
    options = parser.parse_args()
    config = GPT2Config(
        vocab_size=64,
        n_positions=16,
        n_embd=32,
        n_layer=2,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output_dir=output,
            max_steps=options.max_steps,
            per_device_train_batch_size=8,
            learning_rate=3e-3,
            logging_steps=5,
            save_strategy="no",
            report_to="all",  # of what is installed
            use_cpu=True,
            ddp_backend="gloo",
        )
        trainer = Trainer(GPT2LMHeadModel(config), arguments, train_dataset=Counting())
        trainer.train()


if __name__ == "__main__":
    main()
