"""Runs a safetensors checkpoint with torch, through transformers' AutoModelForQuestionAnswering.

Needs the extra `torch`. Knows torch, not text. Pickled weights are never loaded.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import InputError, MissingExtraError, ModelError, first_line
from pullquote.types import INPUTS, Logits

if TYPE_CHECKING:
    from pullquote.types import Batch

try:
    import torch
    import transformers
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "torch") from error


_GPU_BATCH_TOKENS = 32768  # fewer leave it waiting for Python


def load_checkpoint(
    directory: str | Path, *, new_head: bool = False, **options: Any
) -> transformers.PreTrainedModel:
    """Load the fp32 model of a Hugging Face directory, in evaluation mode.

    Raises `ModelError` when the weights are broken or have no question-answering head; with
    `new_head`, a base encoder without one gets a random head to be trained. Code in a checkpoint is
    never run.
    """
    try:
        with quiet_transformers():
            model, report = transformers.AutoModelForQuestionAnswering.from_pretrained(
                str(directory),
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,  # if not set, transformers asks on the terminal
                ignore_mismatched_sizes=True,  # reported below
                output_loading_info=True,
                **options,
            )
    except Exception as error:
        raise ModelError(
            f"{directory}: transformers cannot load this checkpoint for question answering "
            f"({first_line(error)})"
        ) from error
    for name, found, expected in sorted(report["mismatched_keys"]):
        raise ModelError(
            f"{directory}: {name} has the shape {tuple(found)}, config.json asks for "
            f"{tuple(expected)}; they do not belong together"
        )
    # transformers also loads a base encoder and gives it a random head; its answers would be noise.
    body = f"{model.base_model_prefix}."
    missing = sorted(key for key in report["missing_keys"] if key.startswith(body) or not new_head)
    if missing:
        raise ModelError(
            f"{directory}: the checkpoint lacks {', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}; it is not whole, or not fine-tuned for "
            "question answering"
        )
    return model.eval()  # type: ignore[no-any-return]


def forward_inputs(model: torch.nn.Module) -> list[str]:
    """The fields of a `Batch` that a model's forward accepts; DistilBERT has no token types."""
    accepted = inspect.signature(model.forward).parameters
    return [name for name in INPUTS if name in accepted]


def load_tokenizer(name: str | os.PathLike[str]) -> Any:
    """Load a transformers tokenizer by name or directory."""
    try:
        return transformers.AutoTokenizer.from_pretrained(str(name))
    except Exception as error:
        raise ModelError(
            f"{name}: transformers cannot load this tokenizer ({first_line(error)})"
        ) from error


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Switch off progress bars and warnings of transformers; problems are raised as errors."""
    log: Any = transformers.logging  # its functions carry no types
    verbosity, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(logging.ERROR)
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bar:
            log.enable_progress_bar()


class TorchBackend:
    """A transformers model on `device` ("cpu", "cuda", "cuda:1", "mps").

    `model` is a directory or a loaded model, which stays on its device unless `device` is given.
    `threads` sets torch's number of threads, for the whole process.
    """

    workers = 1  # torch uses all cores for one batch
    batch_tokens = 2048
    """Tokens of a batch, with padding; a GPU takes more at once."""

    def __init__(
        self,
        model: str | Path | torch.nn.Module,
        *,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        try:
            loaded = model if isinstance(model, torch.nn.Module) else load_checkpoint(model)
            self.device = torch.device(device or next(loaded.parameters()).device)
            self.model = loaded.eval().to(self.device)
            if self.device.type == "cuda":
                self.batch_tokens = _GPU_BATCH_TOKENS
            self.precision = str(next(self.model.parameters()).dtype).removeprefix("torch.")
        except torch.OutOfMemoryError as error:
            raise ModelError(f"{model}: too large for the memory of {device!r}") from error
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"device {device!r} is not available to torch: {error}") from error
        self._inputs = forward_inputs(self.model)

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        try:
            feed = {
                name: torch.from_numpy(getattr(batch, name)).to(self.device)
                for name in self._inputs
            }
            with torch.inference_mode():
                output = self.model(**feed)
            if getattr(output, "start_logits", None) is None:
                raise ModelError(
                    f"{type(self.model).__name__} gives no start_logits; expected a model that "
                    "was fine-tuned for question answering"
                )
            start, end = (
                logits.float().cpu().numpy().astype(np.float32, copy=False)
                for logits in (output.start_logits, output.end_logits)
            )
        # ids or positions out of range; on a GPU this is raised only when results are fetched
        except (RuntimeError, IndexError) as error:
            raise ModelError(
                f"the model failed on a batch of shape {batch.input_ids.shape}: "
                f"{first_line(error)}. Do tokenizer.json and the weights belong together?"
            ) from error
        return Logits(start, end)
