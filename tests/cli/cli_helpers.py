"""What the tests of the command line share: the result of a run, and small data files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
LIGHTHOUSE = ROOT / "examples" / "lighthouse.txt"
GOLDEN = ROOT / "tests" / "scoring" / "golden" / "dev60.json"

# As on a user's machine, but with no way to the hub.
ENVIRONMENT = {
    **os.environ,
    "HF_HUB_OFFLINE": "1",
    "HF_ENDPOINT": "http://127.0.0.1:9",
    "PYTHONIOENCODING": "utf-8:strict",
    "COLUMNS": "80",
}
ENVIRONMENT.pop("NO_COLOR", None)


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def succeeded(self) -> Result:
        """Nothing on standard error: no warning of a library, no note.

        But for the note that a model which the tests make was never calibrated; bundled ones are.
        """
        made = r"(?!(?:small|tiny) )\S+"
        err = re.sub(
            rf"pullquote: note: the scores of {made} are no probabilities.*\n", "", self.err
        )
        assert (self.code, err) == (0, "")
        return self

    def failed(self, *words: str, code: int = 1) -> Result:
        """One line that holds all of `words`, nothing on standard output."""
        assert self.code == code, self
        assert self.out == ""
        assert self.err.startswith("pullquote: error: ")
        assert self.err.endswith("\n")
        assert len(self.err.splitlines()) == 1, self.err
        assert [word for word in words if word not in self.err] == [], self.err
        return self


Run = Callable[..., Result]


def squad(*questions: dict[str, Any], context: str) -> dict[str, Any]:
    """SQuAD's layout around questions on one context."""
    return {"data": [{"title": "t", "paragraphs": [{"context": context, "qas": [*questions]}]}]}


def question(id: str, text: str, *answers: tuple[str, int]) -> dict[str, Any]:
    found = [{"text": answer, "answer_start": start} for answer, start in answers]
    return {"id": id, "question": text, "answers": found}


def golden() -> dict[str, Any]:
    """The sixty dev questions, each with a context in which its answers stand."""
    content: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for article in content["squad"]["data"]:
        for paragraph in article["paragraphs"]:
            told = [
                f"{qa['question'].strip(' ?')}: {answer['text']}."
                for qa in paragraph["qas"]
                for answer in qa["answers"][:1]
            ]
            others = {a["text"] for qa in paragraph["qas"] for a in qa["answers"]}
            name = article["title"].replace("_", " ")
            context = " ".join([f"This is about {name}.", *told, f"Also: {'; '.join(others)}."])
            paragraph["context"] = context
            for qa in paragraph["qas"]:
                for answer in qa["answers"]:
                    answer["answer_start"] = context.index(answer["text"])
    return content
