"""Labels the training windows of a recipe with its teachers' logits, into a file.

report = label(Recipe.from_toml("recipe.toml"), "labels.npz")
train(replace(recipe, teacher=(), labels="labels.npz"), "run")      # anywhere, without them
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pullquote.errors import ConfigError, MissingExtraError
from pullquote.files import cache_directory
from pullquote.progress import Progress, no_progress
from pullquote.reading.encode import Encoder
from pullquote.training.labels import Labels
from pullquote.training.recipe import Recipe
from pullquote.training.teacher import check_same_tokens, soft_labels, teacher_answers
from pullquote.training.windows import encode

try:
    from pullquote.training.data import load_teacher, reworded_windows, training_examples
    from pullquote.training.distributed import start_processes
    from pullquote.training.start import resolved_precision
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise MissingExtraError(error.name or "torch", "train") from error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pullquote.types import Example, Span


@dataclass(frozen=True, slots=True)
class LabelReport:
    """The result of `label`."""

    path: Path
    windows: int
    """How many windows have labels; those that occur twice count once."""
    bytes: int
    """The size of the file."""


def label(
    recipe: Recipe, out: str | Path, *, cpu: bool = False, progress: Progress = no_progress
) -> LabelReport:
    """Write the mean logits of a recipe's teachers for its training windows to the file `out`.

    `Recipe.labels` takes the file. Windows are cut as the recipe says, with the tokenizer of the
    first teacher. Questions of the augmentations `misspelt` and `keywords` need no labels: they get
    those of their origin in training. `cpu` ignores other devices; `progress` counts questions and
    then windows. Raises `ConfigError` for a recipe without a teacher.

    >>> from pullquote.training.label import label  # doctest: +SKIP
    >>> from pullquote.training.recipe import Recipe  # doctest: +SKIP
    >>> recipe = Recipe(train=("train.json",), teacher=("small",), soft_weight=1)  # doctest: +SKIP
    >>> print(label(recipe, "labels.npz").windows)  # doctest: +SKIP
    """
    if not recipe.teacher:
        raise ConfigError("label needs a teacher; set one in the recipe")
    accelerator, cache = start_processes(cpu=cpu), cache_directory()
    precision = resolved_precision(recipe.precision, accelerator.device)
    teachers = [load_teacher(name, precision, accelerator) for name in recipe.teacher]
    directory = teachers[0].directory
    encoder = Encoder.of(directory, config=recipe.reader_config())
    for teacher in teachers:
        check_same_tokens(teacher, encoder)

    def answers(examples: Sequence[Example]) -> list[Span | None]:
        return teacher_answers(teachers[0], examples, cache)

    examples = training_examples(recipe, answers)
    windows = encode(examples, encoder, progress)
    asked = windows.subset(reworded_windows(examples, windows)[0])
    soft = soft_labels(teachers, asked, encoder, cache, progress)
    labels = Labels.of(soft, asked, encoder.template.null)
    labels.save(out)
    return LabelReport(Path(out), len(labels), Path(out).stat().st_size)
