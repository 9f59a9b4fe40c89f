"""The training loop: reads a recipe, writes a model directory.

    train(Recipe.from_toml("recipes/tiny-1.toml"), "runs/tiny")
    train(recipe, "runs/tiny", resume=True)      # after kill -9: the same weights, to the bit
    train(replace(recipe, minutes=8.0), "runs/tiny")    # by the clock: never the same weights

    runs/tiny/           the best checkpoint so far: a model directory for `Reader` and `export`
      recipe.toml        the resolved recipe
      log.jsonl          a line every few steps, and one for each evaluation
      curve.png          loss and F1 over epochs
      last/              the newest evaluated weights, also a model directory
        state.pt         all that `resume` needs

Training reads the same windows as answering, and evaluates with the user's own `Reader`. The parts
are in modules of their own: `data` (windows and teacher labels), `learner` (model and optimiser),
`objective` (loss), `evaluation`, `state` (save and restore) and `distributed`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pullquote.checkpoints import layout
from pullquote.checkpoints.write import write_base
from pullquote.errors import MissingExtraError, TrainingError
from pullquote.progress import Progress, no_progress
from pullquote.training.log import Log
from pullquote.training.recipe import Recipe
from pullquote.training.windows import plan

try:
    import torch

    from pullquote.training.data import TrainingData, load_training_data
    from pullquote.training.distributed import (
        Accelerator,
        agreed,
        start_processes,
        sum_gradients,
        warn_of_idle_processes,
    )
    from pullquote.training.evaluation import evaluate_and_keep, fit_settings
    from pullquote.training.learner import clip_gradients, make_learner, update_weights
    from pullquote.training.objective import micro_batch_loss
    from pullquote.training.optimize import keep_memory
    from pullquote.training.run_directory import check_run_directory, make_run_directory
    from pullquote.training.start import open_start, resolved_precision
    from pullquote.training.state import Run, RunState, restore_state, save_state
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pullquote.reading.evaluate import Evaluation

_LOG_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The result of `train`."""

    path: Path
    steps: int
    seconds: float
    evaluation: Evaluation | None
    """Of the best checkpoint on all of tune, at the threshold fitted there."""
    main: bool = True
    """Whether this is the process that wrote it."""


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    cpu: bool = False,
    data: TrainingData | None = None,
    progress: Progress = no_progress,
) -> TrainingReport:
    """Train the model of `recipe` and write it to `out`; the module lists the files.

    `progress` counts optimiser steps; its text is the loss and the speed, or what is being
    prepared. `overwrite` replaces another run in `out`, once everything is ready to begin; `cpu`
    ignores other devices. `data`, of `load_training_data`, is used instead of what the recipe
    names. Raises `ConfigError` when `out` holds another run, `DataError` for data that cannot be
    trained on, `TrainingError` when the loss is not finite.

    >>> from pullquote.training.recipe import Recipe  # doctest: +SKIP
    >>> from pullquote.training.train import train  # doctest: +SKIP
    >>> recipe = Recipe.from_toml("recipe.toml", epochs=3.0)  # doctest: +SKIP
    >>> report = train(recipe, "run")  # doctest: +SKIP
    >>> print(report.evaluation.scores.f1)  # doctest: +SKIP
    """
    keep_memory()
    out, accelerator = Path(out), start_processes(cpu=cpu)
    recipe = replace(recipe, precision=resolved_precision(recipe.precision, accelerator.device))
    if accelerator.is_main_process:
        check_run_directory(out, recipe, resume=resume, overwrite=overwrite)
    else:
        progress = no_progress
    accelerator.wait_for_everyone()

    run = _prepare(recipe, out, accelerator, resume, data, progress)
    _loop(run)
    return TrainingReport(out, run.state.step, run.state.seconds, fit_settings(run), run.main)


def _prepare(
    recipe: Recipe,
    out: Path,
    accelerator: Accelerator,
    resume: bool,
    data: TrainingData | None,
    progress: Progress,
) -> Run:
    """Load data and model, restore an earlier state, and create the directory of the run."""
    start = open_start(recipe)
    data = data or load_training_data(recipe, start.encoder, accelerator, progress)
    learner = make_learner(start, recipe, data.windows.ids, accelerator.device)
    first_epoch = _plan(recipe, data.windows.lengths, 0)
    warn_of_idle_processes(accelerator, len(first_epoch[0]))
    run = Run(
        recipe=recipe,
        out=out,
        accelerator=accelerator,
        data=data,
        learner=learner,
        steps=_steps(recipe, len(first_epoch)),
        steps_per_epoch=len(first_epoch),
        log=Log(out),
        progress=progress,
        state=RunState(),
    )
    if resume:
        restore_state(run)
    accelerator.wait_for_everyone()
    if run.main:  # only now, so that a run that cannot begin leaves nothing behind
        make_run_directory(out, recipe, resume=resume)
        run.log.keep_until(run.state.step)
        config = {
            **learner.model.config.to_diff_dict(),
            "architectures": [type(learner.model).__name__],
        }
        write_base(out / "last", start.files, config, start.encoder.config)
    return run


def _steps(recipe: Recipe, epoch: int) -> int:
    """How many steps a run has; 0 where the clock decides."""
    if recipe.minutes:
        return 0
    return recipe.max_steps or max(1, round(recipe.epochs * epoch))


def _plan(recipe: Recipe, lengths: NDArray[np.int64], epoch: int) -> list[list[NDArray[np.int64]]]:
    """The steps of an epoch, each a list of micro-batches of window numbers."""
    return plan(
        lengths,
        tokens=recipe.tokens,
        micro_tokens=recipe.micro_tokens,
        seed=recipe.seed,
        epoch=epoch,
        windows=recipe.windows,
    )


def _loop(run: Run) -> None:
    """Train to the last step: data, step, log, evaluate, save."""
    recipe, state, lengths = run.recipe, run.state, run.data.windows.lengths
    planned, micro_batches_of = -1, []
    pending: list[_Taken] = []  # steps whose losses have not been read from the device
    losses: list[float] = []
    tokens = 0
    saved = logged = ticked = time.monotonic()

    def tick() -> None:
        """Add the time since the last tick to that of the run."""
        nonlocal ticked
        passed = time.monotonic() - ticked
        ticked += passed
        state.seconds += agreed(run.accelerator, passed) if recipe.minutes else passed

    while run.done < 1:
        # data
        epoch, index = divmod(state.step, run.steps_per_epoch)
        if epoch != planned:
            planned, micro_batches_of = epoch, _plan(recipe, lengths, epoch)
        micro_batches = micro_batches_of[index]

        # forward, backward, update
        evaluated = run.evaluations_due
        pending.append(_step(run, micro_batches))
        tick()
        tokens += int(sum(lengths[rows].sum() for rows in micro_batches))

        # log
        due = run.evaluations_due > evaluated
        since = time.monotonic() - logged
        log = due or since > _LOG_SECONDS
        save = due or time.monotonic() - saved > 60 * recipe.save_minutes
        if log or save or len(pending) >= run.steps_unread:
            losses += _read_losses(run, pending)
        if log:
            _log(run, sum(losses) / len(losses), tokens / since)
            losses, tokens, logged = [], 0, time.monotonic()

        # evaluate and save
        if due:
            evaluate_and_keep(run)
            tick()
        if save:
            save_state(run)
            saved = time.monotonic()
        if due:
            logged = time.monotonic()


class _Taken(NamedTuple):
    """A step that was taken: its number, and on the device its loss and its gradient's norm."""

    step: int
    loss: torch.Tensor
    norm: torch.Tensor


def _step(run: Run, micro_batches: Sequence[NDArray[np.int64]]) -> _Taken:
    """One optimiser step; its loss is the mean over its windows.

    All windows weigh the same: their losses are divided by the number of windows that a step has
    on average, however many are in this one. Each process takes every n-th micro-batch, and
    gradients are summed over all processes.
    """
    accelerator, learner, state = run.accelerator, run.learner, run.state
    windows = sum(len(rows) for rows in micro_batches)
    usual = len(run.data.windows) / run.steps_per_epoch
    total = torch.zeros((), device=accelerator.device)
    for rows in micro_batches[accelerator.process_index :: accelerator.num_processes]:
        loss = micro_batch_loss(learner, run.data, run.recipe, rows)
        accelerator.backward(loss / usual)
        total += loss.detach() / windows
    if accelerator.num_processes > 1:
        total = accelerator.reduce(total, "sum")
        sum_gradients(accelerator, learner.parameters)
    norm = clip_gradients(learner, run.recipe.max_grad_norm)
    rate = run.recipe.learning_rate * run.rate_share
    state.step += 1
    update_weights(learner, run.recipe, state.step, rate, norm)
    return _Taken(state.step, total, norm)


def _read_losses(run: Run, pending: list[_Taken]) -> list[float]:
    """The losses of the steps whose losses were not read yet; raise if one is not finite."""
    losses = []
    for step, loss, norm in pending:
        losses.append(float(loss))
        if not (math.isfinite(losses[-1]) and math.isfinite(float(norm))):
            raise _not_finite(run, step, losses[-1], float(norm))
    pending.clear()
    return losses


def _not_finite(run: Run, step: int, loss: float, norm: float) -> TrainingError:
    if (run.out / layout.SAFETENSORS).exists():
        good = "still holds the last good checkpoint"
    else:
        good = "has nothing good yet"
    return TrainingError(
        f"step {step}: the loss is {loss:g}, its gradient {norm:g}; nothing of "
        f"this step was kept, and {run.out} {good}. Try a lower learning_rate "
        f"(now {run.recipe.learning_rate:g}) or precision fp32"
    )


def _log(run: Run, loss: float, tokens_per_second: float) -> None:
    """Append the mean loss since the last entry to the log, and show it."""
    if not run.main:
        return
    state = run.state
    run.log.add(
        step=state.step,
        epoch=run.epoch,
        loss=round(loss, 5),
        learning_rate=run.learner.optimizer.param_groups[0]["lr"],
        tokens_per_second=round(tokens_per_second),
        seconds=round(state.seconds, 1),
    )
    left = (1 - run.done) * state.seconds / max(run.done, 1e-9)
    clock = f"{int(left // 3600)}:{int(left // 60 % 60):02}:{int(left % 60):02}"
    run.tell(f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s, {clock} left")
