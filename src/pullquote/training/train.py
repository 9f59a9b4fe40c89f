"""The training loop: a recipe in, a model directory out, through the windows that readers read.

Knows torch and accelerate. Evaluation is the user's own `Reader`; what is learned from is `losses`.

    train(Recipe.from_toml("recipes/tiny-1.toml"), "runs/tiny")
    train(recipe, "runs/tiny", resume=True)      # after kill -9: the same weights, to the bit

    runs/tiny/           the best checkpoint by now: a model directory for `Reader` and `export`
      recipe.toml        the resolved recipe
      log.jsonl          a line each few steps, and one for each evaluation
      curve.png          the same, drawn
      last/              the last evaluated weights, a model directory, too
        state.pt         all that `resume` needs
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.write import copy_model, write_base, write_weights
from pullquote.data import load
from pullquote.data.sample import sample
from pullquote.errors import (
    ConfigError,
    DataError,
    MissingExtraError,
    PullquoteWarning,
    TrainingError,
    first_line,
)
from pullquote.files import cache_directory
from pullquote.progress import Progress, no_progress
from pullquote.reading.calibrate import store_threshold
from pullquote.reading.evaluate import Evaluation, evaluate, evaluate_checkpoint
from pullquote.reading.reader import Reader
from pullquote.training.augment import augmented
from pullquote.training.log import Log
from pullquote.training.recipe import Recipe
from pullquote.training.teacher import answered, check_same_tokens, fingerprint, soft_labels
from pullquote.training.windows import PADDING, LabelledWindows, SoftLabels, encode, plan
from pullquote.types import INPUTS

try:
    import accelerate
    import torch

    from pullquote.reading.backends.torch import TorchBackend, forward_inputs, load_checkpoint
    from pullquote.training.attention import last_attention, use_plain_attention
    from pullquote.training.hidden_states import HiddenStateTeacher
    from pullquote.training.losses import soft_loss, span_loss
    from pullquote.training.optimize import keep_memory, optimizer, rate_share
    from pullquote.training.run_directory import (
        check_run_directory,
        make_run_directory,
        read_state,
        write_state,
    )
    from pullquote.training.start import has_bf16, open_start
    from pullquote.training.structure import structure
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "accelerate", "train") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.types import Example, Span

_LOG_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What `train` made."""

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
    progress: Progress = no_progress,
) -> TrainingReport:
    """Train what `recipe` says and write it to `out`; see the module for what stands there.

    `progress` counts optimiser steps; its words are the loss and the speed, or what is prepared.
    `overwrite` replaces another run in `out`, once everything is ready to begin; `cpu` leaves
    other devices alone. Raises `ConfigError` when `out` holds another run, `DataError` for data
    that cannot be trained on, `TrainingError` when the loss is not finite.

    >>> from pullquote.training.recipe import Recipe  # doctest: +SKIP
    >>> from pullquote.training.train import train  # doctest: +SKIP
    >>> recipe = Recipe.from_toml("recipe.toml", epochs=3.0)  # doctest: +SKIP
    >>> report = train(recipe, "run")  # doctest: +SKIP
    >>> print(report.evaluation.scores.f1)  # doctest: +SKIP
    """
    keep_memory()
    # Accelerator's own mixed precision is one setting for the life of a process. The others wait
    # while the first asks a teacher, which may take hours.
    accelerator = accelerate.Accelerator(
        mixed_precision="no",
        cpu=cpu or not torch.accelerator.is_available(),
        kwargs_handlers=[accelerate.InitProcessGroupKwargs(timeout=timedelta(days=2))],
    )
    if recipe.precision == "auto":
        precision = "bf16" if has_bf16(accelerator.device) else "fp32"
        recipe = replace(recipe, precision=precision)
    if accelerator.is_main_process:
        check_run_directory(Path(out), recipe, resume=resume, overwrite=overwrite)
    accelerator.wait_for_everyone()
    return _Run(recipe, Path(out), accelerator, resume, progress).train()


class _Run:
    """One training run: what is trained, on what, and how far it is."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        accelerator: accelerate.Accelerator,
        resume: bool,
        progress: Progress,
    ) -> None:
        self.recipe, self.out, self.accelerator = recipe, out, accelerator
        self.progress = progress
        self.step, self.steps, self.best, self.seconds = 0, 0, -math.inf, 0.0
        self.main = bool(accelerator.is_main_process)
        device = accelerator.device
        self.autocast = torch.autocast(
            device.type, torch.bfloat16, enabled=recipe.precision == "bf16"
        )
        start = open_start(recipe)
        self.encoder = start.encoder
        self.tune = load_examples(recipe.tune) if recipe.tune else ()
        self.windows, self.soft = self._data()
        if start.words is not None:
            counts = np.bincount(self.windows.ids, minlength=len(start.words))
            structure(start.model, start.words, torch.from_numpy(counts), recipe.seed)
        self.model = start.model.to(device).train()
        if device.type == "cpu":
            use_plain_attention(self.model)
        self.inputs = forward_inputs(self.model)
        self.teacher_states = None
        if recipe.hidden_weight or recipe.relation_weight:
            self.teacher_states = HiddenStateTeacher(recipe.teacher[0], self.model, recipe)
        steps = self._plan(0)
        self.steps_of_epoch = len(steps)
        self.steps = recipe.max_steps or max(1, round(recipe.epochs * len(steps)))
        if self.main and len(steps[0]) < accelerator.num_processes:
            warnings.warn(
                f"{accelerator.num_processes} processes share {len(steps[0])} micro-batch(es) of a "
                "step, and some have nothing to do: raise tokens, or lower micro_tokens",
                PullquoteWarning,
                stacklevel=3,
            )
        self.evaluations = {
            math.ceil(self.steps * number / recipe.evaluations)
            for number in range(1, recipe.evaluations + 1)
        }
        # a projection of the student's states is trained with it, and thrown away
        extra = self.teacher_states.projections if self.teacher_states else torch.nn.ModuleList()
        self.trained = torch.nn.ModuleList([self.model, extra])
        self.parameters: list[torch.Tensor] = list(self.trained.parameters())
        words = self.model.get_input_embeddings().weight
        self.optimizer = optimizer(self.trained, words, recipe)
        # copies, which take the place of the weights when they are evaluated and kept
        self.averages = [p.detach().clone() for p in self.parameters] if recipe.average else []
        self.log = Log(out)
        if resume:
            self._restore()
        accelerator.wait_for_everyone()
        if self.main:
            # only now: what could not begin leaves nothing behind
            make_run_directory(out, recipe, resume=resume)
            self.log.keep_until(self.step)
            config = {
                **self.model.config.to_diff_dict(),
                "architectures": [type(self.model).__name__],
            }
            write_base(out / "last", start.files, config, self.encoder.config)

    def _data(self) -> tuple[LabelledWindows, SoftLabels | None]:
        """The windows to train on, and what the teachers say of them."""
        recipe, encoder, cache = self.recipe, self.encoder, cache_directory()
        teachers = [self._teacher(name) for name in recipe.teacher]
        for teacher in teachers:
            check_same_tokens(teacher, encoder)
        self.teachers = [fingerprint(teacher) for teacher in teachers]

        def answers(examples: Sequence[Example]) -> list[Span | None]:
            self._doing("asking the teacher")
            return answered(teachers[0], examples, cache)

        with self.accelerator.main_process_first():  # the others find it in the cache
            examples = training_examples(recipe, answers if teachers else None)
            windows = encode(examples, encoder, self._preparing)
            if not recipe.soft_weight:
                return windows, None
            return windows, soft_labels(teachers, windows, encoder, cache, self._preparing)

    def _teacher(self, name: str) -> Reader:
        """A reader in the run's precision; on a CPU, an ONNX form is what it reads with."""
        directory, device = open_model(name), self.accelerator.device
        if not directory.safetensors or (device.type == "cpu" and directory.onnx):
            return Reader(name, device="cpu")
        model = load_checkpoint(directory.path)
        if self.recipe.precision == "bf16":
            for weight in model.parameters():  # not the tables of rotary positions
                weight.data = weight.data.to(torch.bfloat16)
        return Reader(name, backend=TorchBackend(model, device=str(device)))

    def train(self) -> TrainingReport:
        plan_of, steps = -1, []
        saved = logged = time.monotonic()
        losses: list[float] = []
        tokens = 0
        while self.step < self.steps:
            epoch, index = divmod(self.step, self.steps_of_epoch)
            if epoch != plan_of:
                plan_of, steps = epoch, self._plan(epoch)
            began = time.monotonic()
            losses.append(self._step(steps[index]))
            tokens += int(sum(self.windows.lengths[rows].sum() for rows in steps[index]))
            self.seconds += time.monotonic() - began
            due = self.step in self.evaluations
            if due or time.monotonic() - logged > _LOG_SECONDS:
                self._note(losses, tokens / (time.monotonic() - logged))
                losses, tokens, logged = [], 0, time.monotonic()
            if due:
                self._evaluate()
            if due or time.monotonic() - saved > 60 * self.recipe.save_minutes:
                self._save()
                saved = time.monotonic()
            if due:
                logged = time.monotonic()
        return self._finish()

    def _plan(self, epoch: int) -> list[list[NDArray[np.int64]]]:
        return plan(
            self.windows.lengths,
            tokens=self.recipe.tokens,
            micro_tokens=self.recipe.micro_tokens,
            seed=self.recipe.seed,
            epoch=epoch,
            windows=self.recipe.windows,
        )

    def _step(self, micros: Sequence[NDArray[np.int64]]) -> float:
        """One optimiser step; returns its loss, the mean over its windows.

        Each process takes every so many-th micro-batch, and gradients are summed over all: any
        number of processes takes the same step, but for rounding (and for dropout's dice).
        """
        accelerator = self.accelerator
        windows = sum(len(rows) for rows in micros)
        total = torch.zeros((), device=accelerator.device)
        for rows in micros[accelerator.process_index :: accelerator.num_processes]:
            loss = self._loss(rows) / windows
            accelerator.backward(loss)
            total += loss.detach()
        if accelerator.num_processes > 1:
            total = accelerator.reduce(total, "sum")
            self._sum_gradients()
        self.step += 1
        rate = self.recipe.learning_rate * rate_share(self.step, self.steps, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        norm = torch.nn.utils.clip_grad_norm_(
            self.parameters, self.recipe.max_grad_norm or math.inf
        )
        mean = float(total)
        if not (math.isfinite(mean) and math.isfinite(float(norm))):
            good = (
                "holds what was good before"
                if (self.out / layout.SAFETENSORS).exists()
                else "has nothing good yet"
            )
            raise TrainingError(
                f"step {self.step}: the loss is {mean:g}, its gradient {float(norm):g}; nothing of "
                f"this step was kept, and {self.out} {good}. Try a lower learning_rate "
                f"(now {self.recipe.learning_rate:g}) or precision fp32"
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.averages:
            # Early on, weights move too fast for a long memory.
            decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - decay)
        return mean

    def _loss(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """The loss of a micro-batch, summed over its windows."""
        device = self.accelerator.device
        batch = self.windows.batch(rows)
        tensors = {name: torch.from_numpy(getattr(batch, name)).to(device) for name in INPUTS}
        padded = not batch.attention_mask.all()
        feed: dict[str, Any] = {
            name: tensors[name] for name in self.inputs if padded or name != "attention_mask"
        }
        recipe, states = self.recipe, self.teacher_states
        if states and recipe.hidden_weight:
            feed["output_hidden_states"] = True
        with self.autocast, last_attention() as seen:
            output = self.model(**feed)
            loss = states.loss(tensors, output, seen) if states else torch.zeros((), device=device)
        logits = output.start_logits.float(), output.end_logits.float()  # (B, T) each
        if padded:
            hidden = tensors["attention_mask"] == 0
            logits = tuple(side.masked_fill(hidden, PADDING) for side in logits)
        if recipe.label_weight:
            labels = torch.from_numpy(self.windows.labels[rows].astype(np.int64)).to(device)
            loss = loss + recipe.label_weight * span_loss(*logits, labels)
        if self.soft:
            said = self.windows.padded(self.soft, rows)
            taught = torch.from_numpy(said.start).to(device), torch.from_numpy(said.end).to(device)
            loss = loss + recipe.soft_weight * soft_loss(logits, taught, recipe.temperature)
        return loss

    def _sum_gradients(self) -> None:
        """Add the gradients of all processes; what has none in any of them stays without."""
        device = self.accelerator.device
        here = torch.tensor([float(p.grad is not None) for p in self.parameters], device=device)
        anywhere = self.accelerator.reduce(here, "sum") > 0
        moved = [p for p, has in zip(self.parameters, anywhere.tolist(), strict=True) if has]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in moved]
        flat = self.accelerator.reduce(torch.cat([grad.flatten() for grad in grads]), "sum")
        for p, part in zip(moved, flat.split([p.numel() for p in moved]), strict=True):
            p.grad = part.view_as(p)

    def _doing(self, what: str) -> None:
        if self.main:
            self.progress(self.step, self.steps, what)

    def _preparing(self, done: int, total: int, doing: str) -> None:
        self._doing(f"{doing}, {done / total:.0%}")

    def _note(self, losses: Sequence[float], speed: float) -> None:
        if not self.main:
            return
        loss = sum(losses) / len(losses)
        left = (self.steps - self.step) * self.seconds / max(self.step, 1)
        self.log.add(
            step=self.step,
            epoch=round(self.step / self.steps_of_epoch, 4),
            loss=round(loss, 5),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            tokens_per_second=round(speed),
            seconds=round(self.seconds, 1),
        )
        clock = f"{int(left // 3600)}:{int(left // 60 % 60):02}:{int(left % 60):02}"
        self._doing(f"loss {loss:.3f}, {speed:,.0f} tokens/s, {clock} left")

    def _evaluate(self) -> None:
        """Write the weights to `last`, answer tune with them, and keep them if they are best."""
        self.accelerator.wait_for_everyone()
        if self.main:
            last = self.out / "last"
            with self._averaged():
                weights = self.model.state_dict()
                write_weights(last, {name: value.cpu().numpy() for name, value in weights.items()})
                score = -math.inf
                if self.tune:
                    examples = sample(self.tune, self.recipe.evaluation_questions, 0)
                    self._doing("evaluating")
                    evaluation = self._answers(last, examples)
                    score = _balanced_f1(evaluation)
                    self.log.add(
                        step=self.step,
                        epoch=round(self.step / self.steps_of_epoch, 4),
                        questions=len(examples),
                        balanced_f1=round(score, 3),
                    )
            if score > self.best or not self.tune:
                self.best = score
                copy_model(last, self.out)
            self.log.draw()
        self.accelerator.wait_for_everyone()

    def _answers(self, directory: Path, examples: Sequence[Example]) -> Evaluation:
        reader = Reader(directory, backend=TorchBackend(self.model))
        try:
            return evaluate(reader, examples)
        finally:
            self.model.train()

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Put the averaged weights in place of the weights for a while."""
        if not self.averages:
            yield
            return
        kept = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.averages)
            try:
                yield
            finally:
                torch._foreach_copy_(self.parameters, kept)

    def _save(self) -> None:
        """Write all that `resume` needs; an older state stays whole until this one is."""
        if not self.main:
            return
        state = {
            "data": self._data_fingerprint(),
            "teachers": self.teachers,
            "step": self.step,
            "best": self.best,
            "seconds": self.seconds,
            "model": self.trained.state_dict(),
            "averages": self.averages,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        write_state(state, self.out)

    def _restore(self) -> None:
        state = read_state(self.out, self.accelerator.device)
        if state is None:
            if self.main:
                warnings.warn(
                    f"{self.out}: nothing to go on from; the run begins with its first step",
                    PullquoteWarning,
                    stacklevel=4,
                )
            return
        if state["data"] != self._data_fingerprint():
            raise ConfigError(
                f"{self.out}: its run had other data, or another tokenizer, than its files hold "
                "now; put the old ones back, or choose another place"
            )
        if state.get("teachers", self.teachers) != self.teachers:
            raise ConfigError(
                f"{self.out}: its run had other teachers than {', '.join(self.recipe.teacher)} "
                "now; put the old ones back, or choose another place"
            )
        try:
            self.trained.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{self.out}: its run had a model of another shape ({first_line(error)}); put the "
                "old one back, or choose another place"
            ) from error
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]
        self.averages = state["averages"]
        torch.set_rng_state(state["random"].cpu())

    def _data_fingerprint(self) -> str:
        labels = hashlib.sha256(self.windows.labels.tobytes()).hexdigest()
        return f"{self.windows.fingerprint()} {labels}"

    def _finish(self) -> TrainingReport:
        """Fit the threshold of the best checkpoint on all of tune, and store it."""
        evaluation = None
        if self.main and self.tune:
            self._doing("fitting the threshold")
            evaluation = evaluate_checkpoint(self.out, self.tune, fit=True)
            if evaluation.fitted:
                store_threshold(self.out, evaluation, self.tune, self.recipe.tune)
        return TrainingReport(self.out, self.steps, self.seconds, evaluation, self.main)


def training_examples(
    recipe: Recipe, teacher: Callable[[Sequence[Example]], Sequence[Span | None]] | None = None
) -> list[Example]:
    """The examples of all files of a recipe, and those that are made from them."""
    if not recipe.train:
        raise ConfigError("train names no data; expected a file such as train-v2.0.json")
    real = [example for path in recipe.train for example in load_examples(path)]
    if not real:
        raise DataError(f"{', '.join(recipe.train)}: no questions; expected some to train on")
    examples = sample(real, recipe.questions, recipe.seed)
    made = augmented(examples, recipe.augment, recipe.augment_share, recipe.seed, teacher)
    return examples + made


def load_examples(path: str) -> tuple[Example, ...]:
    """The examples of a file, with a warning that says what had to be left out."""
    dataset = load(path)
    if dataset.dropped:
        warnings.warn(
            f"{path}: {dataset.summary()}, the first {dataset.dropped[0]}; see them all with: "
            f"pullquote data check {path}",
            PullquoteWarning,
            stacklevel=2,
        )
    return dataset.examples


def _balanced_f1(evaluation: Evaluation) -> float:
    """What checkpoints are compared by: F1 at the best threshold, both kinds weighted equally."""
    return evaluation.fitted.score if evaluation.fitted else evaluation.scores.f1
