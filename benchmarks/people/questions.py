"""The questions of the people benchmark: their types, how they are read, and what they must hold.

Knows files of texts and questions, not models.

    python benchmarks/people/questions.py                          # checks all, counts them
    python benchmarks/people/questions.py --write tune OUT.json    # those on texts, as SQuAD JSON

    texts/KIND/NN-name.txt          one text; odd numbers are `tune`, even ones `test`
    folders/NN-name/                one folder of documents, split in the same way
    questions/KIND.jsonl            the questions on the texts of a kind, one a line
    questions/folders.jsonl         the questions on folders

A question:

    {"id": "contract-03-1", "text": "texts/contract/03-flat.txt",
     "question": "How long do I have to move out after they tell me?", "wording": "paraphrase",
     "answers": ["thirty (30) days", "30) days"], "evidence": "Either party may end this ..."}
    {"id": "contract-03-4", "text": "texts/contract/03-flat.txt",
     "question": "Who pays for the lift?", "sort": "not_said", "answers": []}
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pullquote import Example, Span
from pullquote.data import save

HERE = Path(__file__).resolve().parent
SPLITS = ("tune", "test")
WORDINGS = ("own", "paraphrase")
SORTS = ("off_topic", "not_said", "swapped", "negated", "overlap")

FUNCTION_WORDS = frozenset(
    """
    a about above after again against all also am an and any are aren as at be because
    been before being below between both but by can cannot could couldn d did didn do does
    doesn doing don done down during each either else ever every few for from further get
    gets give given go goes got had hadn has hasn have haven having he her here hers
    herself him himself his how i if in into is isn it its itself just let ll m make many
    may me might mine more most much must mustn my myself no nor not now of off on once
    one only or other ought our ours out over own per please re s same shall shan she
    should shouldn so some somebody someone something still such t than that the their
    theirs them themselves then there these they thing things this those through to too
    two under until up upon us ve very was wasn we were weren what when where whether
    which while who whom whose why will with within without won would wouldn yes yet you
    your yours yourself
    """.split()  # noqa: SIM905
)
_SUFFIXES = ("ations", "ation", "ments", "ment", "ings", "ing", "ers", "ies", "ied", "ly", "ed")
_SUFFIXES += ("er", "es", "s", "e", "y")


@dataclass(frozen=True, slots=True)
class Question:
    """A base question on one text or on one folder."""

    id: str
    text: str  # path of the text or folder, relative to this directory
    question: str
    answers: tuple[str, ...] = ()  # every good quote, the best first; empty: there is no answer
    evidence: str = ""  # the part of the text that answers, word for word
    document: str = ""  # for a folder: the file with the evidence
    wording: str = ""  # answerable: "own" words of the text, or a "paraphrase"
    sort: str = ""  # unanswerable: one of SORTS

    @property
    def kind(self) -> str:
        return "folder" if self.text.startswith("folders/") else self.text.split("/")[1]

    @property
    def split(self) -> str:
        number = int(Path(self.text).name.split("-")[0])
        return "tune" if number % 2 else "test"


def load() -> list[Question]:
    """All base questions, in the order of the files."""
    return [q for path in sorted((HERE / "questions").glob("*.jsonl")) for q in questions_in(path)]


def questions_in(path: Path) -> Iterator[Question]:
    """The questions of one file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            fields = json.loads(line)
            yield Question(**{**fields, "answers": tuple(fields.get("answers", ()))})


def evidence_place(question: Question, text: str) -> tuple[int, int]:
    """Where the evidence of an answerable question stands in its text: characters, half open."""
    start = text.index(question.evidence)
    return start, start + len(question.evidence)


def examples(questions: Iterable[Question]) -> list[Example]:
    """The questions on single texts as examples; the answers are the quotes within the evidence."""
    made = []
    for q in questions:
        if q.kind != "folder":
            text = (HERE / q.text).read_text(encoding="utf-8")
            start, end = evidence_place(q, text)
            places = [(answer, text.index(answer, start, end)) for answer in q.answers]
            spans = tuple(Span(answer, at, at + len(answer)) for answer, at in places)
            made.append(Example(q.id, q.question, text, spans, title=q.text))
    return made


def content_words(text: str) -> set[str]:
    """The stems of the words that carry meaning: "the payments were late" -> {"pay", "lat"}."""
    words = re.findall(r"[^\W_]+", text.casefold().replace("’", "'"))
    return {_stem(word) for word in words if word not in FUNCTION_WORDS and len(word) > 1}


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def problems(question: Question) -> Iterator[str]:
    """What is wrong with one question; the texts of documents in folders are not looked into."""
    q = question
    path = HERE / q.text
    if not path.exists():
        yield f"no {q.text}"
        return
    if not q.answers:
        if q.sort not in SORTS:
            yield f"sort {q.sort!r}: expected one of {', '.join(SORTS)}"
        if q.wording or q.evidence or q.document:
            yield "an unanswerable question has no wording, evidence or document"
        return
    if q.wording not in WORDINGS:
        yield f"wording {q.wording!r}: expected own or paraphrase"
    if q.sort:
        yield "an answerable question has no sort"
    if path.is_dir():
        if not q.document or not (path / q.document).is_file():
            yield f"no document {q.document!r} in {q.text}"
    else:
        text = path.read_text(encoding="utf-8")
        if text.count(q.evidence) != 1:
            yield f"the evidence stands {text.count(q.evidence)} times in the text: {q.evidence!r}"
        for answer in q.answers:
            if answer not in q.evidence:
                yield f"not in the evidence: {answer!r}"
    if not q.evidence:
        yield "no evidence"
    shared = content_words(q.question) & content_words(q.evidence)
    if q.wording == "paraphrase" and shared:
        yield f"a paraphrase that shares {', '.join(sorted(shared))} with the evidence"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--write",
        nargs=2,
        metavar=("SPLIT", "OUT"),
        help="write the questions on single texts of a split, tune or test, as SQuAD JSON",
    )
    arguments = parser.parse_args()
    questions = load()
    if arguments.write:
        split, out = arguments.write
        if split not in SPLITS:
            parser.error(f"split {split!r}: expected {' or '.join(SPLITS)}")
        save(examples(q for q in questions if q.split == split), out)
        return 0
    failed = 0
    for question in questions:
        for problem in problems(question):
            failed += 1
            print(f"{question.id}: {problem}")
    for name, count in Counter(q.id for q in questions).items():
        if count > 1:
            failed += 1
            print(f"{name}: {count} questions of this id")
    print(f"{'kind':<16}{'texts':>7}{'questions':>11}{'own':>6}{'paraphrase':>12}{'no answer':>11}")
    for kind in (*sorted({q.kind for q in questions}), None):
        some = [q for q in questions if kind in (q.kind, None)]
        counts = Counter(q.wording or "none" for q in some)
        texts = len({q.text for q in some})
        print(
            f"{kind or 'all':<16}{texts:>7}{len(some):>11}{counts['own']:>6}"
            f"{counts['paraphrase']:>12}{counts['none']:>11}"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
