"""A training run, and how it is saved and restored.

save_state(run)
restore_state(run)        # the same weights, optimiser and random numbers, to the bit
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.errors import ConfigError, MissingExtraError, PullquoteWarning, first_line
from pullquote.progress import Progress

try:
    import torch

    from pullquote.training.optimize import rate_share
    from pullquote.training.run_directory import read_state, write_state
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from pullquote.training.data import TrainingData
    from pullquote.training.distributed import Accelerator
    from pullquote.training.learner import Learner
    from pullquote.training.log import Log
    from pullquote.training.recipe import Recipe


@dataclass(slots=True)
class RunState:
    """How far a run is."""

    step: int = 0
    """Optimiser steps that were taken."""
    best: float = -math.inf
    """The highest score of an evaluation by now."""
    seconds: float = 0.0
    """Time spent in optimiser steps and evaluations."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One training run: its recipe and directory, and everything that its loop works on."""

    recipe: Recipe
    out: Path
    accelerator: Accelerator
    data: TrainingData
    learner: Learner
    steps: int
    """How many steps the run has; 0 where the clock decides."""
    steps_per_epoch: int
    log: Log
    progress: Progress
    """Called by the main process alone."""
    state: RunState

    @property
    def main(self) -> bool:
        """Whether this process writes the files of the run."""
        return bool(self.accelerator.is_main_process)

    @property
    def epoch(self) -> float:
        return round(self.state.step / self.steps_per_epoch, 4)

    @property
    def done(self) -> float:
        """The share of the run that lies behind it, of its steps or of its minutes."""
        if self.steps:
            return self.state.step / self.steps
        return min(self.state.seconds / (60 * self.recipe.minutes), 1.0)

    @property
    def evaluations_due(self) -> int:
        """How many evaluations should have been made by now."""
        if self.steps:  # in whole numbers, so that the last step is never missed
            return self.state.step * self.recipe.evaluations // self.steps
        return int(self.done * self.recipe.evaluations)

    @property
    def rate_share(self) -> float:
        """The learning rate of the next step, as a share of the peak rate."""
        step = 1 / self.steps if self.steps else self.done / max(self.state.step, 1)
        return rate_share(self.done, step, self.recipe)

    @property
    def steps_unread(self) -> int:
        """After how many steps their losses are read: a GPU must not be waited for in each."""
        return 1 if self.accelerator.device.type == "cpu" else 20

    def tell(self, doing: str) -> None:
        total = self.steps or round(self.state.step / max(self.done, 1e-9))
        self.progress(self.state.step, total, doing)


def save_state(run: Run) -> None:
    """Write all that `restore_state` needs; an older state stays whole until this one is."""
    if not run.main:
        return
    state = {
        "data": run.data.fingerprint(),
        "teachers": run.data.teachers,
        "step": run.state.step,
        "best": run.state.best,
        "seconds": run.state.seconds,
        "model": run.learner.modules.state_dict(),
        "averages": run.learner.averages,
        "optimizer": run.learner.optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random_of_device": _device_random(run.accelerator.device),
    }
    write_state(state, run.out)


def restore_state(run: Run) -> None:
    """Continue from the saved state of `run.out`; without one, warn and leave `run` as it is.

    Raises `ConfigError` when data, teachers or the shape of the model have changed since.
    """
    state = read_state(run.out, run.accelerator.device)
    if state is None:
        if run.main:
            warnings.warn(
                f"{run.out}: no saved state; the run starts at its first step",
                PullquoteWarning,
                stacklevel=4,  # the caller of `train`
            )
        return
    if state["data"] != run.data.fingerprint():
        raise ConfigError(
            f"{run.out}: its run had other data, or another tokenizer, than its files hold "
            "now; restore the old ones, or choose another place"
        )
    if state.get("teachers", run.data.teachers) != run.data.teachers:
        raise ConfigError(
            f"{run.out}: its run had other teachers than {', '.join(run.recipe.teacher)} "
            "now; restore the old ones, or choose another place"
        )
    try:
        run.learner.modules.load_state_dict(state["model"])
        run.learner.optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{run.out}: its run had a model of another shape ({first_line(error)}); put the "
            "old one back, or choose another place"
        ) from error
    run.state.step, run.state.best = state["step"], state["best"]
    run.state.seconds = state["seconds"]
    run.learner.averages[:] = state["averages"]
    torch.set_rng_state(state["random"].cpu())
    # an earlier version saved none
    if run.accelerator.device.type == "cuda" and state.get("random_of_device") is not None:
        torch.cuda.set_rng_state(state["random_of_device"].cpu(), run.accelerator.device)


def _device_random(device: torch.device) -> torch.Tensor | None:
    """The state of the generator that dropout draws from on a GPU."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
