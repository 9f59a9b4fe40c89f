"""The data of a training run: examples, labelled windows, teacher logits, held-out examples.

data = load_training_data(recipe, encoder, accelerator, progress)
data.windows, data.soft_labels, data.tune
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pullquote.checkpoints.directory import open_model
from pullquote.data import load
from pullquote.data.sample import sample
from pullquote.errors import ConfigError, DataError, MissingExtraError, PullquoteWarning
from pullquote.files import cache_directory
from pullquote.progress import Progress, no_progress
from pullquote.reading.reader import Reader
from pullquote.training.augment import augmented
from pullquote.training.teacher import check_same_tokens, fingerprint, soft_labels, teacher_answers
from pullquote.training.windows import LabelledWindows, SoftLabels, encode

try:
    import torch

    from pullquote.reading.backends.torch import TorchBackend, load_checkpoint
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from pullquote.reading.encode import Encoder
    from pullquote.training.distributed import Accelerator
    from pullquote.training.recipe import Recipe
    from pullquote.types import Example, Span


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What a run is trained and evaluated on."""

    windows: LabelledWindows
    soft_labels: SoftLabels | None
    """The mean logits of the teachers; None where the recipe does not use them."""
    teachers: list[str]
    """The fingerprint of each teacher."""
    tune: Sequence[Example]
    """Held-out examples, by which checkpoints are compared; may be empty."""
    use: Sequence[Example]
    """Examples of `answerable_from`; may be empty."""

    def fingerprint(self) -> str:
        """A hash of the windows and their labels, to compare when a run is resumed."""
        labels = hashlib.sha256(self.windows.labels.tobytes()).hexdigest()
        return f"{self.windows.fingerprint()} {labels}"


def load_training_data(
    recipe: Recipe, encoder: Encoder, accelerator: Accelerator, progress: Progress = no_progress
) -> TrainingData:
    """Load and tokenise the data of a recipe, and compute what its teachers give for it.

    `progress` is told what is prepared, as step 0 of 0. Raises `DataError` for data that cannot be
    trained on, `ConfigError` for a teacher that tokenises differently from `encoder`.
    """
    tune = load_examples(recipe.tune) if recipe.tune else ()
    use = load_examples(recipe.answerable_from) if recipe.answerable_from else ()
    cache = cache_directory()
    teachers = [load_teacher(name, recipe.precision, accelerator) for name in recipe.teacher]
    for teacher in teachers:
        check_same_tokens(teacher, encoder)
    names = [fingerprint(teacher) for teacher in teachers]

    def preparing(done: int, total: int, doing: str) -> None:
        progress(0, 0, f"{doing}, {done / total:.0%}")

    def label(examples: Sequence[Example]) -> list[Span | None]:
        progress(0, 0, "asking the teacher")
        return teacher_answers(teachers[0], examples, cache)

    with accelerator.main_process_first():  # the other processes find the labels in the cache
        examples = training_examples(recipe, label if teachers else None)
        windows = encode(examples, encoder, preparing)
        soft = None
        if recipe.soft_weight:
            soft = soft_labels(teachers, windows, encoder, cache, preparing)
    return TrainingData(windows, soft, names, tune, use)


def load_teacher(name: str, precision: str, accelerator: Accelerator) -> Reader:
    """A teacher in the precision of the run; on a CPU its ONNX file is used if it has one."""
    directory, device = open_model(name), accelerator.device
    if not directory.safetensors or (device.type == "cpu" and directory.onnx):
        return Reader(name, device="cpu")
    model = load_checkpoint(directory.path)
    if precision == "bf16":
        for weight in model.parameters():  # buffers, such as rotary position tables, stay fp32
            weight.data = weight.data.to(torch.bfloat16)
    return Reader(name, backend=TorchBackend(model, device=str(device)))


def training_examples(
    recipe: Recipe, teacher: Callable[[Sequence[Example]], Sequence[Span | None]] | None = None
) -> list[Example]:
    """The examples of all training files of a recipe, followed by the augmented ones.

    `teacher` answers examples, for the augmentation of that name. Raises `ConfigError` for a
    recipe without training files, `DataError` for files without questions.
    """
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
            f"{path}: {dataset.summary()}; the first one dropped is {dataset.dropped[0]}; list "
            f"all: pullquote data check {path}",
            PullquoteWarning,
            stacklevel=2,
        )
    return dataset.examples
