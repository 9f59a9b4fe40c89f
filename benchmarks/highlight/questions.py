"""The questions with several answers: their type, how they are read, and what they must hold.

Knows files of texts and questions, not models.

    python benchmarks/highlight/questions.py    # checks and counts them
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEXTS = HERE.parent / "people"


@dataclass(frozen=True, slots=True)
class Question:
    """A question on one text that has several answers."""

    id: str
    text: str  # path, relative to benchmarks/people
    question: str
    items: tuple[tuple[str, ...], ...]  # for each answer the good quotes, the best first

    @property
    def split(self) -> str:
        return "tune" if int(Path(self.text).name.split("-")[0]) % 2 else "test"

    def context(self) -> str:
        """The text."""
        return (TEXTS / self.text).read_text(encoding="utf-8")

    def places(self, context: str) -> list[list[tuple[int, int]]]:
        """For each answer the characters, half open, of all places of its good quotes."""
        return [
            [found.span() for quote in item for found in re.finditer(re.escape(quote), context)]
            for item in self.items
        ]


def load(split: str | None = None) -> list[Question]:
    """All questions, or those of a split, in the order of the file."""
    lines = (HERE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    made = [Question(**{**row, "items": tuple(map(tuple, row["items"]))}) for row in rows]
    return [question for question in made if split in (question.split, None)]


def main() -> int:
    questions, failed = load(), 0
    for question in questions:
        context = question.context()
        for item, places in zip(question.items, question.places(context), strict=True):
            if not places or any(quote not in context for quote in item):
                failed += 1
                print(f"{question.id}: not in the text: {item}")
        if not 2 <= len(question.items) <= 6:
            failed += 1
            print(f"{question.id}: {len(question.items)} answers, expected 2 to 6")
    for name, count in Counter(question.id for question in questions).items():
        if count > 1:
            failed += 1
            print(f"{name}: {count} questions of this id")
    for split in ("tune", "test"):
        some = [question for question in questions if question.split == split]
        texts = len({question.text for question in some})
        answers = sum(len(question.items) for question in some)
        print(f"{split}: {len(some)} questions, {answers} answers, {texts} texts")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
