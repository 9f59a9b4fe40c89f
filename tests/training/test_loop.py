"""Training by the clock, the weight of a window in a step, and losses that are read late."""

from __future__ import annotations

import builtins
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lessons import NAMES, lesson
from pullquote.data.formats import save
from pullquote.errors import MissingExtraError, TrainingError
from pullquote.reading.backends.torch import load_checkpoint
from pullquote.training import train as module
from pullquote.training.data import load_training_data
from pullquote.training.distributed import SingleProcess, start_processes
from pullquote.training.learner import Learner, clip_gradients, make_learner, update_weights
from pullquote.training.log import Log
from pullquote.training.objective import _square_mask, micro_batch_loss
from pullquote.training.recipe import Recipe
from pullquote.training.start import open_start
from pullquote.training.state import Run, RunState
from pullquote.training.train import train
from pullquote.types import Example, Span

SECONDS = 4.0  # with room for an evaluation in the middle, also on a busy machine


def log(directory: Path, key: str) -> list[dict[str, float]]:
    lines = (directory / "log.jsonl").read_text().splitlines()
    return [entry for line in lines if key in (entry := json.loads(line))]


def last_step(directory: Path) -> float:
    """Seconds of a run until its last step, without the evaluation after it."""
    return log(directory, "loss")[-1]["seconds"]


@pytest.fixture
def timed(recipe: Recipe) -> Recipe:
    """A run of four seconds."""
    return replace(recipe, minutes=SECONDS / 60)


@pytest.mark.alone
def test_a_run_by_the_clock_ends_in_time(timed: Recipe, tmp_path: Path) -> None:
    rates = []
    step = module._step

    def watched(run: Run, micros: Any) -> Any:
        taken = step(run, micros)
        rates.append(run.learner.optimizer.param_groups[0]["lr"])
        return taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_step", watched)
        report = train(timed, tmp_path / "run")
    assert SECONDS <= last_step(tmp_path / "run") < SECONDS + 1
    assert report.steps == len(rates) > 20
    evaluated = [entry["step"] for entry in log(tmp_path / "run", "balanced_f1")]
    assert len(evaluated) == 2
    assert evaluated[-1] == report.steps
    # up within the first twentieth, and down to nothing
    assert 0.8 * timed.learning_rate < max(rates) <= timed.learning_rate
    assert rates[-1] < 0.1 * timed.learning_rate
    assert rates[len(rates) // 2] < max(rates)


@pytest.mark.alone
def test_progress_by_the_clock_guesses_the_number_of_steps(timed: Recipe, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    report = train(timed, tmp_path / "run", progress=lambda *call: told.append(call))
    speeds = [(done, total) for done, total, doing in told if "tokens/s" in doing]
    assert len(speeds) == 2
    assert all(done <= total < 3 * report.steps for done, total in speeds)
    assert told[-1][2] == "fitting the threshold"


@pytest.mark.alone
def test_a_run_by_the_clock_goes_on_where_it_stopped(
    timed: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = module._step

    def stop(run: Run, micros: Any) -> Any:
        if (run.out / "last" / "state.pt").exists():  # after the first evaluation
            raise KeyboardInterrupt
        return step(run, micros)

    monkeypatch.setattr(module, "_step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(timed, tmp_path / "run")
    monkeypatch.setattr(module, "_step", step)
    state = torch.load(tmp_path / "run" / "last" / "state.pt", weights_only=True)
    assert 0.5 * SECONDS <= state["seconds"] < SECONDS
    report = train(timed, tmp_path / "run", resume=True)
    assert report.steps > state["step"]
    assert SECONDS <= last_step(tmp_path / "run") < SECONDS + 1
    assert len(log(tmp_path / "run", "balanced_f1")) == 2
    # a run that has ended stays as it is
    again = train(timed, tmp_path / "run", resume=True)
    assert again.steps == report.steps


def test_data_that_is_there_is_not_loaded_again(recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(recipe, epochs=0.01, evaluations=1)
    data = load_training_data(recipe, open_start(recipe).encoder, start_processes())
    train(recipe, tmp_path / "one")
    train(replace(recipe, train=("absent.json",)), tmp_path / "other", data=data)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)


# ---- a step


@pytest.fixture
def make_run(recipe: Recipe, tmp_path: Path) -> Callable[..., Run]:
    """A run before its first step, without a directory."""

    def make_run(**options: Any) -> Run:
        changed = replace(recipe, **options)
        start = open_start(changed)
        accelerator = start_processes()
        data = load_training_data(changed, start.encoder, accelerator)
        return Run(
            recipe=changed,
            out=tmp_path,
            accelerator=accelerator,
            data=data,
            learner=make_learner(start, changed, data.windows.ids, accelerator.device),
            steps=10,
            steps_per_epoch=12,
            log=Log(tmp_path),
            progress=lambda *_: None,
            state=RunState(),
        )

    return make_run


def test_a_run_whose_time_is_over_is_done_and_no_more(make_run: Callable[..., Run]) -> None:
    run = replace(make_run(minutes=1.0, evaluations=3), steps=0)
    run.state.step, run.state.seconds = 40, 30.0
    assert (run.done, run.evaluations_due) == (0.5, 1)
    run.state.seconds = 90.0  # the last step was slow
    assert (run.done, run.evaluations_due) == (1.0, 3)


def gradients(learner: Learner) -> list[torch.Tensor]:
    return [p.grad.clone() for p in learner.parameters if p.grad is not None]


def test_every_window_weighs_the_same(
    make_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many windows are in its step, and however long they are."""
    short = [Example(name, "who?", name, (Span(name, 0, 5),)) for name in NAMES[:2]]
    save([*lesson(58), *short], tmp_path / "train.jsonl")
    run = make_run(train=(str(tmp_path / "train.jsonl"),), max_grad_norm=0.0)
    order = np.argsort(run.data.windows.lengths, kind="stable")
    assert run.data.windows.lengths[order[1]] < run.data.windows.lengths[order[2]] / 2
    micros = [order[:2], order[-7:]]  # few short ones, many long ones
    monkeypatch.setattr(module, "update_weights", lambda *_: None)
    taken = module._step(run, micros)
    stepped = gradients(run.learner)

    run.learner.optimizer.zero_grad()
    losses = torch.stack(
        [
            micro_batch_loss(run.learner, run.data, run.recipe, np.array([row]))
            for row in np.concatenate(micros)
        ]
    )
    (losses.sum() / (60 / 12)).backward()  # a step has five windows on average
    for found, expected in zip(stepped, gradients(run.learner), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    assert float(taken.loss) == pytest.approx(losses.mean().item(), rel=1e-4)


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_a_gradient_that_is_no_number_changes_no_weight(
    make_run: Callable[..., Run], bad: str
) -> None:
    run = make_run(average=0.9)
    before = [p.detach().clone() for p in run.learner.parameters]

    def step(spoil: bool) -> None:
        loss = micro_batch_loss(run.learner, run.data, run.recipe, np.arange(4))
        loss.backward()  # type: ignore[no-untyped-call]
        if spoil:
            gradient = run.learner.parameters[3].grad
            assert gradient is not None
            gradient.view(-1)[0] = float(bad)
        norm = clip_gradients(run.learner, 1.0)
        assert bool(norm.isfinite()) is not spoil
        update_weights(run.learner, run.recipe, 1, 0.01, norm)

    def moved() -> bool:
        now = run.learner.parameters
        return any(not torch.equal(p, old) for p, old in zip(now, before, strict=True))

    step(spoil=True)
    assert not moved()
    assert all(
        torch.equal(average, old) for average, old in zip(run.learner.averages, before, strict=True)
    )
    step(spoil=False)
    assert moved()
    assert all(p.isfinite().all() for p in run.learner.parameters)


def test_losses_that_are_read_late_name_the_step_that_failed(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, which is asked every twenty steps."""
    monkeypatch.setattr(Run, "steps_unread", property(lambda run: 20))
    step, taken = module._step, []

    def poisoned(run: Run, micros: Any) -> Any:
        result = step(run, micros)
        taken.append(result.step)
        spoiled = result.loss * float("nan") if result.step == 5 else result.loss
        return result._replace(loss=spoiled)

    monkeypatch.setattr(module, "_step", poisoned)
    with pytest.raises(TrainingError, match=r"step 5: the loss is nan, its gradient \d"):
        train(replace(recipe, epochs=60.0, evaluations=1), tmp_path / "run")
    assert taken == list(range(1, 21))


def test_how_late_losses_are_read(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert run.steps_unread == 1
    assert replace(run, accelerator=SingleProcess(torch.device("cuda"))).steps_unread == 20


def test_losses_that_are_read_late_are_the_same(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOG_SECONDS", math.inf)  # however slow the machine
    train(recipe, tmp_path / "one")
    monkeypatch.setattr(Run, "steps_unread", property(lambda run: 20))
    train(recipe, tmp_path / "other")
    one, other = (log(tmp_path / name, "loss") for name in ("one", "other"))
    assert [entry["loss"] for entry in one] == [entry["loss"] for entry in other]


# ---- devices


def test_a_mask_for_each_pair_of_tokens_gives_the_same_logits(base: Path) -> None:
    model = load_checkpoint(base)
    assert model.config._attn_implementation == "sdpa"
    ids = torch.randint(0, 60, (3, 12))
    mask = (torch.arange(12) < torch.tensor([[12], [7], [4]])).long()
    with torch.no_grad():
        plain = model(input_ids=ids, attention_mask=mask).start_logits
        square = model(input_ids=ids, attention_mask=_square_mask(mask)).start_logits
        other = model(input_ids=ids).start_logits
    torch.testing.assert_close(plain[mask == 1], square[mask == 1])
    assert not torch.allclose(plain[mask == 1], other[mask == 1])


def test_one_process_needs_no_accelerate(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(recipe, epochs=1.0)
    train(recipe, tmp_path / "with")
    real = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name in ("accelerate", "matplotlib.figure"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    train(recipe, tmp_path / "without")
    with_it, without = (
        load_file(tmp_path / name / "model.safetensors") for name in ("with", "without")
    )
    assert all(torch.equal(with_it[name], without[name]) for name in with_it)
    assert not (tmp_path / "without" / "curve.png").exists()
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MissingExtraError, match="accelerate"):
        start_processes()


def test_attention_of_cudnn_is_off_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import accelerate

    asked: list[bool] = []
    monkeypatch.setattr(torch.backends.cuda, "enable_cudnn_sdp", asked.append)
    monkeypatch.setattr(accelerate, "Accelerator", lambda **options: options)
    start_processes(cpu=True)
    assert asked == []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    assert start_processes()["cpu"] is False  # type: ignore[index]
    assert asked == [False]
