"""What the tests of training share: a lesson that can be learned in seconds, and its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pullquote.training.recipe import Recipe
from pullquote.types import Example, Span

LENGTHS = {"max_length": 32, "overlap": 8, "max_question_length": 8, "max_answer_length": 4}
NAMES = ("rollo", "norse", "duke", "king", "river", "hills", "sea", "city", "water", "land")


def lesson(count: int, *, first: int = 0) -> list[Example]:
    """Who led? The one whose name follows "led by"; where nobody is named there is no answer."""
    examples = []
    for number in range(first, first + count):
        name = NAMES[number % len(NAMES)]
        other = NAMES[(number * 7 + 3) % len(NAMES)]
        context = f"the {other} led by {name} came from the sea"
        answers: tuple[Span, ...] = (Span(name, at := context.index("by ") + 3, at + len(name)),)
        if number % 3 == 2:
            context, answers = f"the {other} and the {name} came from the hills", ()
        examples.append(Example(str(number), "who led?", context, answers, f"title {number % 4}"))
    return examples


def make_recipe(base: Path, lessons: tuple[Path, Path], **options: Any) -> Recipe:
    values = {
        "model": str(base),
        "train": str(lessons[0]),
        "tune": str(lessons[1]),
        "epochs": 6,
        "tokens": 128,
        "micro_tokens": 64,
        "learning_rate": 5e-3,
        "evaluations": 2,
        "precision": "fp32",
        **LENGTHS,
        **options,
    }
    return Recipe.from_values(values)
