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

import numpy as np

from pullquote.checkpoints.directory import open_model
from pullquote.data import load
from pullquote.data.sample import sample
from pullquote.errors import ConfigError, DataError, MissingExtraError, PullquoteWarning
from pullquote.files import cache_directory
from pullquote.progress import Progress, no_progress
from pullquote.reading.backends.choose import choose
from pullquote.reading.identity import fingerprint
from pullquote.reading.reader import Reader
from pullquote.training.augment import augmented, origin_of
from pullquote.training.labels import Labels
from pullquote.training.teacher import check_same_tokens, soft_labels, teacher_answers
from pullquote.training.windows import PADDING, LabelledWindows, SoftLabels, encode

try:
    import torch

    from pullquote.reading.backends.torch import TorchBackend, load_checkpoint
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    labels = Labels.load(recipe.labels) if recipe.labels else None
    teachers = [load_teacher(name, recipe.precision, accelerator) for name in recipe.teacher]
    for teacher in teachers:
        check_same_tokens(teacher, encoder)
    names = [labels.fingerprint()] if labels else [fingerprint(teacher) for teacher in teachers]

    def preparing(done: int, total: int, doing: str) -> None:
        progress(0, 0, f"{doing}, {done / total:.0%}")

    def answers(examples: Sequence[Example]) -> list[Span | None]:
        progress(0, 0, "asking the teacher")
        return teacher_answers(teachers[0], examples, cache)

    with accelerator.main_process_first():  # the other processes find the labels in the cache
        examples = training_examples(recipe, answers if teachers else None)
        windows = encode(examples, encoder, preparing)
        soft = None
        if recipe.soft_weight:
            own, alike = reworded_windows(examples, windows)
            asked = windows.subset(own)
            if labels:
                found, asked, soft = labels.find(asked, encoder.template.null)
                _check_found(recipe.labels, len(found), len(own))
                own = own[found]
            else:
                soft = soft_labels(teachers, asked, encoder, cache, preparing)
            windows, soft = with_reworded(windows, own, alike, soft, encoder)
    return TrainingData(windows, soft, names, tune, use)


def _check_found(path: str, found: int, windows: int) -> None:
    """Raise `DataError` where labels hold none of the windows; warn where some are missing."""
    if not found:
        raise DataError(
            f"{path}: has no labels for any of the {windows:,} windows; expected those of the same "
            "data, tokenizer and window lengths"
        )
    if found < windows:
        warnings.warn(
            f"{path}: has no labels for {windows - found:,} of {windows:,} windows, which are left "
            "out",
            PullquoteWarning,
            stacklevel=5,  # the caller of `train`
        )


def reworded_windows(
    examples: Sequence[Example], windows: LabelledWindows
) -> tuple[NDArray[np.int64], dict[int, int]]:
    """The windows to be labelled by a teacher; and those that get the labels of another window.

    The second are windows of questions that ask in other words what their origin asks (see
    `REWORDED`): a teacher may misread them, but its labels of the origin hold. They are window
    numbers by window numbers: the origin's by those of the reworded question. Where either has
    several windows, whose borders may differ, the reworded question is in none of the two.

        # windows 0 and 1 of example "a", 2 of "b", 3 of "a-keywords", 4 of "b-keywords"
        #   [0, 1, 2], {4: 2}
    """
    numbers = {example.id: number for number, example in enumerate(examples)}
    counts = np.bincount(windows.examples, minlength=len(examples))
    first = np.cumsum(counts) - counts
    own, alike = [], {}
    for row, number in enumerate(windows.examples.tolist()):
        origin = numbers.get(origin_of(examples[number].id) or "")
        if origin is None:
            own.append(row)
        elif counts[number] == counts[origin] == 1:
            alike[row] = int(first[origin])
    return np.array(own, dtype=np.int64), alike


def with_reworded(
    windows: LabelledWindows,
    own: NDArray[np.int64],
    alike: dict[int, int],
    soft: SoftLabels,
    encoder: Encoder,
) -> tuple[LabelledWindows, SoftLabels]:
    """The windows `own`, of which `soft` are the labels, and after them those of `alike`.

    The null token and the context get the logits of the origin, the words of the question that
    differ none. Windows whose origin is not among `own` are left out.
    """
    labelled = windows.subset(own)
    place = {row: index for index, row in enumerate(own.tolist())}
    pairs = [(row, place[origin]) for row, origin in alike.items() if origin in place]
    rows = np.array([row for row, _ in pairs], dtype=np.int64)
    added = windows.subset(rows)
    start, end = (np.full(len(added.ids), PADDING, dtype=np.float16) for _ in range(2))
    null = encoder.template.null
    for index, (_, origin) in enumerate(pairs):
        tokens = slice(added.bounds[index], added.bounds[index + 1])
        theirs = slice(labelled.bounds[origin], labelled.bounds[origin + 1])
        same = _common_end(added.ids[tokens], labelled.ids[theirs], encoder.context_first)
        for flat, source in ((start, soft.start), (end, soft.end)):
            mine, given = flat[tokens], source[theirs]
            mine[null] = given[null]
            mine[same] = given[same]
    both = windows.subset(np.concatenate([own, rows]))
    return both, SoftLabels(np.concatenate([soft.start, start]), np.concatenate([soft.end, end]))


def _common_end(one: NDArray[np.int32], other: NDArray[np.int32], context_first: bool) -> slice:
    """The tokens that two windows of one context end with, as a slice of either.

    Where the context comes first, those that they start with.
    """
    size = min(len(one), len(other))
    if context_first:
        differs = np.flatnonzero(one[:size] != other[:size])
        return slice(0, int(differs[0]) if len(differs) else size)
    differs = np.flatnonzero(one[::-1][:size] != other[::-1][:size])
    same = int(differs[0]) if len(differs) else size
    return slice(-same, None) if same else slice(0, 0)


def load_teacher(name: str, precision: str, accelerator: Accelerator) -> Reader:
    """A teacher in the precision of the run; on a CPU its packed or ONNX weights if it has any."""
    directory, device = open_model(name), accelerator.device
    other_form = choose(directory).file != directory.safetensors
    if not directory.safetensors or (device.type == "cpu" and other_form):
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
