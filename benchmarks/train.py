"""Times training: pullquote's loop beside that of run_squad.py and run_qa.py, on the same data.

    python benchmarks/train.py MODEL TRAIN_FILE [--questions 2000]

The other recipe is written out here as those scripts had it: fp32, transformers' model with its own
attention, batches of 8 windows of one order, every window padded to 384 tokens, dropout 0.1, AdamW.
Both see the same windows once. Loading and tokenising are left out of both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.nn import functional as F

from pullquote.training.recipe import Recipe
from pullquote.training.start import open_start
from pullquote.training.train import train, training_examples
from pullquote.training.windows import encode

LENGTH, BATCH = 384, 8


def padded(model_dir: str, data: str, questions: int) -> tuple[float, int]:
    """Seconds of training as run_squad.py did it, and the number of windows."""
    recipe = Recipe(model=model_dir, train=(data,), questions=questions)
    windows = encode(training_examples(recipe), open_start(recipe).encoder)
    torch.manual_seed(0)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(
        model_dir, dtype=torch.float32
    ).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, eps=1e-8, weight_decay=0.0)
    order = np.random.default_rng(0).permutation(len(windows))
    began = time.perf_counter()
    for first in range(0, len(order), BATCH):
        rows = order[first : first + BATCH]
        batch = windows.batch(rows)
        room = (0, LENGTH - batch.input_ids.shape[1])
        ids, mask, types = (
            F.pad(torch.from_numpy(array), room)
            for array in (batch.input_ids, batch.attention_mask, batch.token_type_ids)
        )
        labels = torch.from_numpy(windows.labels[rows].astype(np.int64))
        output = model(
            input_ids=ids,
            attention_mask=mask,
            token_type_ids=types,
            start_positions=labels[:, 0],
            end_positions=labels[:, 1],
        )
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        model.zero_grad()
    return time.perf_counter() - began, len(windows)


def ours(model_dir: str, data: str, questions: int, precision: str) -> float:
    """Seconds of training by our loop, logging included."""
    recipe = Recipe(
        model=model_dir, train=(data,), questions=questions, epochs=1.0, precision=precision
    )
    with tempfile.TemporaryDirectory() as folder:
        return train(recipe, Path(folder) / "run").seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[float]] = {"padded fp32": [], "ours fp32": [], "ours": []}
    windows = 0
    for _ in range(options.rounds):  # side by side, so that a busy machine slows all alike
        seconds, windows = padded(options.model, options.data, options.questions)
        times["padded fp32"].append(seconds)
        for name, precision in (("ours fp32", "fp32"), ("ours", "auto")):
            seconds = ours(options.model, options.data, options.questions, precision)
            times[name].append(seconds)
    base = min(times["padded fp32"])
    print(f"one epoch of {options.questions:,} questions, {windows:,} windows, seed 0")
    for name, seconds in times.items():
        best = min(seconds)
        print(f"{name:12} {best:7.1f} s  {windows / best:7.0f} windows/s  {base / best:5.2f} x")


if __name__ == "__main__":
    main()
