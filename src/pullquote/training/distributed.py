"""Several processes that train one model. The only module that imports accelerate.

    accelerator = start_processes()
    sum_gradients(accelerator, parameters)      # after every process has called backward

Each process takes every n-th micro-batch of a step, and gradients are summed over all of them. Any
number of processes thus takes the same step, except for rounding and for dropout.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import timedelta

from pullquote.errors import MissingExtraError, PullquoteWarning

try:
    import torch
    from accelerate import Accelerator as Accelerator
    from accelerate import InitProcessGroupKwargs
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "accelerate", "train") from error


def start_processes(*, cpu: bool = False) -> Accelerator:
    """Join the other processes of this run, if there are any, and choose a device.

    `cpu` ignores other devices.
    """
    return Accelerator(
        # A run sets its own precision: accelerate's holds for the life of a process.
        mixed_precision="no",
        cpu=cpu or not torch.accelerator.is_available(),
        # The other processes wait while the first computes teacher labels, which may take hours.
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=2))],
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
