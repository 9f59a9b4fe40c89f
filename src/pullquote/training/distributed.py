"""Several processes that train one model. The only module that imports accelerate.

One process alone needs no accelerate.

    accelerator = start_processes()
    sum_gradients(accelerator, parameters)      # after every process has called backward

Each process takes every n-th micro-batch of a step, and gradients are summed over all of them. Any
number of processes thus takes the same step, except for rounding and for dropout.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from pullquote.errors import MissingExtraError, PullquoteWarning

try:
    import torch
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error


class SingleProcess:
    """What training uses of accelerate's `Accelerator`, for one process."""

    num_processes, process_index, is_main_process = 1, 0, True

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]

    def reduce(self, tensor: torch.Tensor, how: str) -> torch.Tensor:
        return tensor

    def wait_for_everyone(self) -> None:
        pass

    def main_process_first(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


Accelerator: TypeAlias = "Any | SingleProcess"  # accelerate has no types


def start_processes(*, cpu: bool = False) -> Accelerator:
    """Join the other processes of this run, if there are any, and choose a device.

    `cpu` ignores other devices. Raises `MissingExtraError` where there are others, but no
    accelerate.
    """
    cpu = cpu or not torch.accelerator.is_available()
    if not cpu:
        # cuDNN's attention builds a plan for each new shape of a batch, and nearly every batch has
        # one: `small` read 196,000 tokens/s with it on an H200, 733,000 without.
        torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        import accelerate
    except ImportError as error:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise MissingExtraError("accelerate", "train") from error
        device = None if cpu else torch.accelerator.current_accelerator()
        return SingleProcess(device or torch.device("cpu"))
    return accelerate.Accelerator(
        # A run sets its own precision: accelerate's holds for the life of a process.
        mixed_precision="no",
        cpu=cpu,
        # The other processes wait while the first computes teacher labels, which may take hours.
        kwargs_handlers=[accelerate.InitProcessGroupKwargs(timeout=timedelta(days=2))],
    )


def warn_of_idle_processes(accelerator: Accelerator, micro_batches: int) -> None:
    """Warn when a step has fewer micro-batches than there are processes."""
    if accelerator.is_main_process and micro_batches < accelerator.num_processes:
        warnings.warn(
            f"{accelerator.num_processes} processes share {micro_batches} micro-batch(es) of a "
            "step, and some have nothing to do: raise tokens, or lower micro_tokens",
            PullquoteWarning,
            stacklevel=4,  # the caller of `train`
        )


def agreed(accelerator: Accelerator, number: float) -> float:
    """The mean of what the processes measured, so that all of them decide alike."""
    if accelerator.num_processes == 1:
        return number
    return float(accelerator.reduce(torch.tensor(number, device=accelerator.device), "mean"))


def sum_gradients(accelerator: Accelerator, parameters: Sequence[torch.Tensor]) -> None:
    """Add up the gradients of all processes; a parameter without a gradient in any keeps none."""
    present = torch.tensor(
        [float(p.grad is not None) for p in parameters], device=accelerator.device
    )
    anywhere = accelerator.reduce(present, "sum") > 0
    updated = [p for p, has in zip(parameters, anywhere.tolist(), strict=True) if has]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in updated]
    flat = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "sum")
    for p, part in zip(updated, flat.split([p.numel() for p in updated]), strict=True):
        p.grad = part.view_as(p)
