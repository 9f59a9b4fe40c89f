"""Questions that people asked, from public data sets with open licences, as SQuAD 2.0 JSON.

    git clone --bare https://github.com/masakhane-io/afriqa clones/masakhane-io+afriqa   # and so on
    python recipes/human.py clones -o data

Reads git directories (with or without a work tree) named owner+name, and writes

    gold-human.json.gz    questions whose answer is a span of the text, and some without an answer
    rough-human.json.gz   questions whose answer is none, or not known as a span: for a teacher to
                          label (`is_impossible` is set, and means nothing)

| data set | repository | licence | askers had |
|---|---|---|---|
| TyDi QA GoldP, train | sagorbrur/tydiqa-language-specific | Apache-2.0 | not seen the text |
| AfriQA in English | masakhane-io/afriqa | CC BY 4.0 | not seen the text |
| Natural Questions, dev | nelson-liu/lost-in-the-middle | CC BY-SA 3.0 | searched the web |
| the same, more | google-research-datasets/QED | CC BY-SA 3.0 | searched the web |
| CLAP NQ, dev | primeqa/clapnq | Apache-2.0 | searched the web |
| FairytaleQA | uci-soe/FairytaleQAData | Apache-2.0 | read it: teachers |
| Quoref, dev | eladsegal/tag-based-multi-span-extraction | CC BY 4.0 | read it |

Texts are of 30 to 450 words; longer ones are cut where a paragraph or a sentence ends.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

SHORTEST, LONGEST, PASSAGE = 30, 450, 300  # words
_SENTENCE = re.compile(r"\S.*?(?:[.!?][\"”’')\]]*(?=\s)|$)", re.S)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a text; `answers` are (start, text) pairs, None where they are not known."""

    title: str
    context: str
    question: str
    answers: list[tuple[int, str]] | None


class Clone:
    """The files of a git directory's newest commit."""

    def __init__(self, directory: Path) -> None:
        self._git = ["git", "--git-dir", str(directory / ".git")]
        if not (directory / ".git").exists():
            self._git[2] = str(directory)

    def text(self, path: str) -> str:
        return self.bytes(path).decode("utf-8", "replace")

    def bytes(self, path: str) -> bytes:
        command = [*self._git, "show", f"HEAD:{path}"]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout

    def list(self, folder: str) -> list[str]:
        command = [*self._git, "ls-tree", "-r", "--name-only", "HEAD", folder]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split(
            "\n"
        )[:-1]

    def rows(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(path).splitlines() if line.strip()]


# ---- text


def found(context: str, answer: str) -> list[tuple[int, str]]:
    """Where an answer stands first: as it is, else in other case; whole words only."""
    answer = answer.strip().rstrip(".").strip()
    for flags in (0, re.IGNORECASE) if answer else ():
        if match := re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", context, flags):
            return [(match.start(), match.group())]
    return []


def passages(text: str) -> list[tuple[int, int]]:
    """Cut a text into pieces of at most `PASSAGE` words, between paragraphs or sentences."""
    if len(text.split()) <= LONGEST:
        return [(0, len(text))]
    units: list[tuple[int, int]] = []
    for match in re.finditer(r"[^\n]+(?:\n|$)", text):
        start, end = match.span()
        if len(match.group().split()) <= PASSAGE:
            units.append((start, end))
        else:
            units += [
                (start + part.start(), start + part.end())
                for part in _SENTENCE.finditer(match.group())
            ]
    pieces: list[tuple[int, int]] = []
    for start, end in units:
        if pieces and len(text[pieces[-1][0] : end].split()) <= PASSAGE:
            pieces[-1] = pieces[-1][0], end
        else:
            pieces.append((start, end))
    return pieces


def cut(context: str, answers: list[tuple[int, str]]) -> tuple[str, list[tuple[int, str]]]:
    """The passage that holds the first answer, and the answers in it."""
    first = answers[0][0] if answers else 0
    start, end = next(piece for piece in reversed(passages(context)) if piece[0] <= first)
    start += len(context[start:end]) - len(context[start:end].lstrip())
    passage = context[start:end].rstrip()
    moved = [(place - start, text) for place, text in answers]
    return passage, [
        (p, text) for p, text in moved if passage[p : p + len(text)] == text and p >= 0
    ]


def most_like(context: str, words: str) -> str:
    """The passage with the most words of a free answer."""
    wanted = set(_WORD.findall(words.lower()))

    def shared(piece: tuple[int, int]) -> int:
        return len(wanted & set(_WORD.findall(context[slice(*piece)].lower())))

    return context[slice(*max(passages(context), key=shared))].strip()


def joined(text: str) -> str:
    """Put the tokens of a treebank together again: "( 1999 )" -> "(1999)"."""
    text = text.replace("``", '"').replace("''", '"')
    text = re.sub(r"\s+([,.;:!?%)\]])", r"\1", text)
    text = re.sub(r"([(\[$])\s+", r"\1", text)
    text = re.sub(r"\s+('s|'re|'ve|'ll|'d|'m|n't|')(?=\s)", r"\1", text)
    text = re.sub(r'"\s+([^"]*?)\s+"', r'"\1"', re.sub(r"(\w) - (\w)", r"\1-\2", text))
    return re.sub(r"[ \t]+", " ", text.replace(" -- ", " – ")).strip()


def squad_like(data: Any, *, several: bool) -> Iterator[Question]:
    """Questions of SQuAD JSON; with `several` False, several answers are one that is no span."""
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            whole = paragraph["context"]
            for question in paragraph["qas"]:
                answers = [(a["answer_start"], a["text"]) for a in question["answers"]]
                context, held = cut(whole, answers)
                known = held if held and (several or len(answers) == 1) else None
                yield Question(article.get("title", ""), context, question["question"], known)


# ---- data sets


def tydi(clone: Clone) -> Iterator[Question]:
    data = json.loads(clone.text("language_data/english/english_tydiqa_train.json"))
    yield from squad_like(data, several=True)


def afriqa(clone: Clone) -> Iterator[Question]:
    for file in clone.list("data/gold_passages"):
        for row in clone.rows(file) if ".en." in file else ():
            context, question = row["context"], (row.get("question_translated") or "").strip(' "')
            if not context or not question:
                continue
            pivot = row["answer_pivot"]
            answers = [
                span
                for start, text in zip(pivot["answer_start"], pivot["text"], strict=True)
                if text and text.lower().strip() not in ("yes", "no")
                for span in (
                    [(start, text)]
                    if start >= 0 and context[start : start + len(text)] == text
                    else found(context, text)
                )
            ]
            question += "" if question[-1] in "?.!" else "?"
            yield Question(row["title"], context, question, answers or None)


def natural_questions(clone: Clone) -> Iterator[Question]:
    rows = gzip.decompress(clone.bytes("qa_data/nq-open-oracle.jsonl.gz")).decode().splitlines()
    for row in map(json.loads, rows):
        (passage,) = row["ctxs"][:1]
        answers = [span for answer in row["answers"] for span in found(passage["text"], answer)]
        if answers:
            yield Question(passage["title"], passage["text"], row["question"], answers[:1])


def qed(clone: Clone) -> Iterator[Question]:
    for row in clone.rows("qed-dev.jsonlines"):
        context = joined(row["paragraph_text"])
        answers = [
            span
            for parts in row["original_nq_answers"]
            if len(parts) == 1
            for span in found(context, joined(parts[0]["string"]))
        ]
        yield Question(row["title_text"], context, row["question_text"], answers or None)


def clapnq(clone: Clone) -> Iterator[Question]:
    for kind in ("answerable", "unanswerable"):
        for row in clone.rows(f"annotated_data/dev/clapnq_dev_{kind}.jsonl"):
            passage = row["passages"][0]
            sentences = [s for o in row["output"] for s in o.get("selected_sentences") or ()]
            context = most_like(joined(passage["text"]), " ".join(sentences))
            answers: list[tuple[int, str]] | None = [] if kind == "unanswerable" else None
            yield Question(passage["title"], context, row["input"], answers)


def fairytales(clone: Clone) -> Iterator[Question]:
    base = "data-by-train-split"
    files = clone.list(base)
    for file in files:
        if not file.startswith(f"{base}/questions/"):
            continue
        story = file.replace("/questions/", "/section-stories/").replace("-questions", "-story")
        if story not in files:
            continue
        sections = {
            row["section"].strip(): re.sub(r"[ \t]*\n[ \t]*", " ", row["text"]).strip()
            for row in csv.DictReader(io.StringIO(clone.text(story)))
            if row.get("text")
        }
        for row in csv.DictReader(io.StringIO(clone.text(file))):
            numbers = [number.strip() for number in (row["cor_section"] or "").split(",")]
            if not row.get("question") or any(number not in sections for number in numbers):
                continue
            given = [row[f"answer{k}"] for k in range(1, 7) if row.get(f"answer{k}")]
            whole = "\n".join(sections[number] for number in numbers)
            context = most_like(whole, " ".join([*given, row["question"]]))
            spans = [span for answer in given for span in found(context, answer)]
            explicit = (row.get("ex-or-im1") or "").strip() == "explicit"
            yield Question(Path(story).stem, context, row["question"], spans if explicit else None)


def quoref(clone: Clone) -> Iterator[Question]:
    data = json.loads(clone.text("quoref_data/quoref-dev-v0.1.json"))
    yield from squad_like(data, several=False)


SOURCES: dict[str, tuple[str, Callable[[Clone], Iterator[Question]]]] = {
    "tydi": ("sagorbrur+tydiqa-language-specific", tydi),
    "afriqa": ("masakhane-io+afriqa", afriqa),
    "nq": ("nelson-liu+lost-in-the-middle", natural_questions),
    "qed": ("google-research-datasets+QED", qed),
    "clapnq": ("primeqa+clapnq", clapnq),
    "fairytales": ("uci-soe+FairytaleQAData", fairytales),
    "quoref": ("eladsegal+tag-based-multi-span-extraction", quoref),
}


@click.command()
@click.argument("clones", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
def main(clones: Path, output: Path) -> None:
    """Write gold-human.json.gz and rough-human.json.gz from the git directories in CLONES."""
    gold: dict[tuple[str, str], list[dict[str, Any]]] = {}
    rough: dict[tuple[str, str], list[dict[str, Any]]] = {}
    asked: set[str] = set()  # several sets hold the same question of Natural Questions
    for name, (folder, read) in SOURCES.items():
        counts = [0, 0]
        for number, question in enumerate(read(Clone(clones / folder))):
            text = re.sub(r"\s+", " ", question.question).strip()
            words = len(question.context.split())
            key = text if name in ("nq", "qed", "clapnq") else f"{text}\n{question.context}"
            known = question.answers is not None
            if known and question.answers == [] and name != "clapnq":
                known = False
            if not SHORTEST <= words <= LONGEST or len(text.split()) < 2 or key in asked:
                continue
            asked.add(key)
            counts[known] += 1
            spans = dict.fromkeys(question.answers or ())
            target = gold if known else rough
            target.setdefault((question.title, question.context), []).append(
                {
                    "id": f"{name}-{number}",
                    "question": text,
                    "is_impossible": not spans,
                    "answers": [{"text": t, "answer_start": s} for s, t in spans],
                }
            )
        click.echo(f"{name}: {counts[1]:,} gold, {counts[0]:,} rough")
    output.mkdir(parents=True, exist_ok=True)
    for file, questions in (("gold", gold), ("rough", rough)):
        articles: dict[str, list[dict[str, Any]]] = {}
        for (title, context), qas in questions.items():
            articles.setdefault(title, []).append({"context": context, "qas": qas})
        data = [{"title": title, "paragraphs": part} for title, part in articles.items()]
        squad = json.dumps({"version": "v2.0", "data": data}, ensure_ascii=False).encode()
        (output / f"{file}-human.json.gz").write_bytes(gzip.compress(squad, mtime=0))


if __name__ == "__main__":
    main()
