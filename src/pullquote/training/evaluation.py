"""Evaluation during training, with the `Reader` that users answer with; keeps the best checkpoint.

evaluate_and_keep(run)                 # out/last: the weights of now; out: the best ones
evaluation = fit_settings(run)         # of the best ones, when the run ends
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.checkpoints.write import copy_model, write_weights
from pullquote.data.sample import sample
from pullquote.errors import MissingExtraError
from pullquote.reading.evaluate import (
    Evaluation,
    checkpoint_reader,
    evaluate,
    fit_and_store,
)
from pullquote.reading.reader import Reader

try:
    from pullquote.reading.backends.torch import TorchBackend
    from pullquote.training.learner import averaged_weights
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from pullquote.training.state import Run


def evaluate_and_keep(run: Run) -> None:
    """Write the weights to `out/last`, evaluate them, and copy them to `out` if they are best.

    Where there is an average of the weights, that is what is written. Without held-out data the
    newest weights are the best. Other processes wait for the one that evaluates.
    """
    run.accelerator.wait_for_everyone()
    if run.main:
        last = run.out / "last"
        with averaged_weights(run.learner):
            weights = run.learner.model.state_dict()
            write_weights(last, {name: value.cpu().numpy() for name, value in weights.items()})
            score = _score(run, last) if run.data.tune else -math.inf
        if score > run.state.best or not run.data.tune:
            run.state.best = score
            copy_model(last, run.out)
        run.log.draw()
    run.accelerator.wait_for_everyone()


def _score(run: Run, directory: Path) -> float:
    """Evaluate on a sample of the held-out data, and log the score."""
    examples = sample(run.data.tune, run.recipe.evaluation_questions, 0)
    run.tell("evaluating")
    reader = Reader(directory, backend=TorchBackend(run.learner.model))
    try:
        score = balanced_f1(evaluate(reader, examples))
    finally:
        run.learner.model.train()
    run.log.add(
        step=run.state.step,
        epoch=run.epoch,
        questions=len(examples),
        balanced_f1=round(score, 3),
    )
    return score


def balanced_f1(evaluation: Evaluation) -> float:
    """F1 at the best threshold, answerable and unanswerable questions weighted equally.

    Data of one kind alone has no such threshold; then it is plain F1.
    """
    return evaluation.fitted.score if evaluation.fitted else evaluation.scores.f1


def fit_settings(run: Run) -> Evaluation | None:
    """Fit the threshold and the calibration of the best checkpoint on all held-out data.

    None without held-out data, and in processes other than the main one.
    """
    if not (run.main and run.data.tune):
        return None
    run.tell("fitting the threshold")
    recipe, device = run.recipe, run.accelerator.device
    reader = checkpoint_reader(run.out, device=str(device))
    # a run by the clock has no time for all of them
    examples = sample(run.data.tune, recipe.evaluation_questions if recipe.minutes else 0, 0)
    if len({example.is_impossible for example in examples}) < 2:
        return evaluate(reader, examples, fit=True)
    return fit_and_store(
        reader,
        examples,
        source=recipe.tune,
        use=run.data.use,
        use_source=recipe.answerable_from,
    )
