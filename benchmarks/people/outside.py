"""Two public sets of other domains: a fixed sample of each, with as many unanswerable questions.

    COVID-QA    questions of biomedical experts about whole research papers (Apache-2.0)
    PolicyQA    questions about segments of websites' privacy policies (MIT)

All questions of both sets are answerable. Unanswerable ones are made by asking a question of
another document of the set, where nobody asked the same or, in PolicyQA, marked anything in the
same category. A few of them will have an answer there by chance.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from asking import Asking

from pullquote import Example
from pullquote.data import load
from pullquote.data.download import RemoteFile, download_squad2
from pullquote.progress import Progress, no_progress


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public set: its one file, and how many questions of a document are drawn."""

    name: str
    url: str  # of the folder, at one commit
    file: RemoteFile
    each: int


SETS = (
    PublicSet(
        "COVID-QA",
        "https://raw.githubusercontent.com/deepset-ai/COVID-QA/"
        "fb2eb5e249618457e5359806601086c635c8eb8f/data/question-answering/",
        RemoteFile(
            "200423_covidQA.json",
            2_697_757,
            "ab310b4e39f726e087c8fa3d1787c73771dacddc584977204ebe3cc889ee1264",
        ),
        each=2,  # of 98 papers
    ),
    PublicSet(
        "PolicyQA",
        "https://raw.githubusercontent.com/wasiahmad/PolicyQA/"
        "775538bc6d932e9d0dd16975d4373659cf8964fe/data/",
        RemoteFile(
            "test.json",
            2_210_667,
            "92929068b7dffa1843f81d661f23da86a64f4a35ffae59fa8d78878277ab9a7f",
        ),
        each=15,  # of 20 policies
    ),
)


def fetch(public: PublicSet, directory: Path, progress: Progress = no_progress) -> Path:
    """The file of a set, below `directory`; downloaded unless it is there, and checked.

    Raises `DownloadError`, which says what to fetch by hand.
    """
    (path,) = download_squad2(
        directory / public.name, base_url=public.url, files=[public.file], progress=progress
    )
    return path


def sample(public: PublicSet, path: Path, seed: int = 0) -> list[Asking]:
    """The same questions every time; those whose marked answer is not in the text are left out."""
    dice = random.Random(seed)
    subjects = dict(_subjects(path))
    documents: dict[str, list[Example]] = defaultdict(list)
    texts: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for example in load(path).examples:
        document = example.title or example.context  # a policy has a title, a paper one text
        documents[document].append(example)
        texts[document][example.context].add(subjects[example.id])
    names = {document: f"{public.name} {n}" for n, document in enumerate(documents, 1)}
    askings = []
    for document, examples in documents.items():
        for example in dice.sample(examples, min(public.each, len(examples))):
            places = tuple((span.start, span.end) for span in example.answers)
            askings.append(Asking(example, names[document], public.name, places=places))
            others = [
                (other, context)
                for other in documents
                if other != document
                for context, asked in texts[other].items()
                if subjects[example.id] not in asked
            ]
            other, context = dice.choice(others)
            moved = replace(example, id=f"{example.id} elsewhere", context=context, answers=())
            askings.append(Asking(moved, names[other], public.name, sort="other document"))
    return askings


def _subjects(path: Path) -> Iterator[tuple[str, str]]:
    """What each question is about: the category of a practice, or the question itself."""
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for entry in paragraph["qas"]:
                subject = entry.get("type", entry["question"].casefold())
                yield str(entry["id"]), subject.split("|||")[0]
