"""The evaluation report: its content, its safety as an HTML page, and the files it replaces."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pullquote.errors import MissingExtraError, OutputError
from pullquote.scoring.analysis import MISTAKES, OF_EACH_KIND, Analysis, analyse
from pullquote.scoring.report import FILES, write_report
from pullquote.scoring.squad import score
from pullquote.settings import Decision
from pullquote.types import Answer, Example, Prediction, Span

EVIL = "<script>alert('x')</script>"
AT_ZERO = Decision(threshold=0.0)
VOID = {"meta", "img", "br", "circle", "line"}


class Page(HTMLParser):
    """A parsed page; fails where a tag is not closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.marks: list[tuple[str, str]] = []  # class and text
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "mark":
            self.marks.append((self.tags[-1][1]["class"], ""))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] == "mark":
            kind, text = self.marks[-1]
            self.marks[-1] = (kind, text + data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def quote(context: str, text: str, score: float) -> Answer:
    start = context.index(text)
    return Answer(text, start, start + len(text), score, 1.0, 1.0)


def predicted(example: Example, text: str, score: float, *, abstains: bool = False) -> Prediction:
    """A prediction of `text`, or an abstention with `text` as its best quote."""
    own, null = (1 - score, score) if abstains else (score, 1 - score)
    best = quote(example.context, text, own)
    diff = 1.0 if abstains else -1.0
    return Prediction(example.id, None if abstains else best, (best,), null, diff)


def one(question: str, context: str, gold: str | None, title: str = "") -> Example:
    answers = (Span(gold, context.index(gold), context.index(gold) + len(gold)),) if gold else ()
    return Example(question, question, context, answers, title)


def page_of(
    folder: Path, examples: Sequence[Example], predictions: Sequence[Prediction], **options: Any
) -> Page:
    analysis = analyse(examples, predictions, decision=AT_ZERO, **options)
    write_report(folder, analysis, model="tiny", data="tune.json")
    return Page(folder / "index.html")


def many(count: int = 120) -> tuple[list[Example], list[Prediction]]:
    """Questions on twenty paragraphs with random right and wrong predictions."""
    random = np.random.default_rng(0)
    examples, predictions = [], []
    for number in range(count):
        context = f"In {number % 20} ships the Norse came by sea, led by Rollo."
        gold = ["Rollo", "by sea", None][random.integers(3)]
        example = one(f"Who or how {number}?", context, gold)
        text = ["Rollo", "by sea", "the Norse"][random.integers(3)]
        surely = float(random.uniform(0.3, 1.0))
        examples.append(example)
        predictions.append(predicted(example, text, surely, abstains=bool(random.random() < 0.4)))
    return examples, predictions


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyse(*many(), decision=AT_ZERO)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, analysis: Analysis) -> Path:
    """The folder of a written report."""
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, analysis, model="tiny", data="tune.json")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder / "index.html")


# ---- the analysis


def test_the_scores_are_the_official_ones_with_an_interval_around(analysis: Analysis) -> None:
    examples, predictions = many()
    official = score(examples, {p.id: p.text for p in predictions}).as_dict()
    for key in ("exact", "f1", "HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1"):
        found = analysis.scores[key]
        assert found.value == pytest.approx(official[key])
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
    assert analysis.scores["NoAns_f1"].total == official["NoAns_total"]
    assert analysis.paragraphs == 20


def test_mistakes_are_wrong_decisions_sorted_by_confidence(analysis: Analysis) -> None:
    sure = [mistake.confidence for mistake in analysis.mistakes]
    assert MISTAKES <= len(sure) <= MISTAKES + 2 * OF_EACH_KIND
    assert sure == sorted(sure, reverse=True)
    for mistake in analysis.mistakes:
        golds = [answer.text for answer in mistake.example.answers]
        if mistake.answered:
            assert mistake.quote is not None
            assert mistake.quote.text not in golds
        else:
            assert golds


def test_every_kind_of_mistake_is_shown_even_where_another_kind_is_more_confident() -> None:
    text = "The Norse, led by Rollo, came by sea."
    examples = [one(f"{n}?", text, [None, "Rollo"][n % 2]) for n in range(200)]
    predictions = [  # sure of each of its wrong abstentions, and less sure of any quote
        predicted(e, "by sea", 0.9 - n / 1000 if n >= 80 else 0.3, abstains=n >= 80)
        for n, e in enumerate(examples)
    ]
    mistakes = analyse(examples, predictions, decision=AT_ZERO).mistakes
    kinds = Counter(mistake.kind for mistake in mistakes)
    assert kinds == {"abstained": MISTAKES, "quote": OF_EACH_KIND, "invented": OF_EACH_KIND}
    assert [m.example.id for m in mistakes[:3]] == ["81?", "83?", "85?"]


def test_raw_scores_that_are_the_same_are_not_shown_twice() -> None:
    examples, predictions = many()
    assert analyse(examples, predictions, decision=AT_ZERO, uncalibrated=predictions).raw is None
    other = [predicted(e, "Rollo", 0.5) for e in examples]
    assert analyse(examples, predictions, decision=AT_ZERO, uncalibrated=other).raw is not None


# ---- the page


def test_the_page_holds_scores_curves_kinds_and_mistakes(tmp_path: Path) -> None:
    examples, predictions = many()
    other = [predicted(e, "Rollo", 0.5) for e in examples]
    page = page_of(tmp_path, examples, predictions, uncalibrated=other)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    analysis = analyse(examples, predictions, decision=AT_ZERO, uncalibrated=other)
    f1 = analysis.scores["f1"]
    assert f"{f1.value:.2f} {f1.low:.1f}–{f1.high:.1f}" in page.text
    for words in (
        *("tiny on tune.json", "120 questions on 20 paragraphs", "raw", "calibrated", "MacroCE"),
        *("coverage, 90 % right", "AURC", "question word", "who", "words in the answer"),
        f"Average precision {analysis.precision_recall['exact'].average:.2f}",
    ):
        assert words in page.text
    assert len(page.all("img")) == len(FILES) - 1
    assert len(page.all("h1")) == 1
    assert page.text.count("Said") == len(analysis.mistakes)


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Decision(threshold=-1.25), "null logit minus best span logit exceeds −1.25"),
        (Decision(0.75), "75 % of the questions are expected to have an answer"),
    ],
)
def test_the_page_says_when_the_reader_abstains(
    tmp_path: Path, decision: Decision, words: str
) -> None:
    write_report(tmp_path, analyse(*many(9), decision=decision), model="tiny", data="tune.json")
    assert words in " ".join(Page(tmp_path / "index.html").text.split())


def test_figures_are_inside_the_page_and_beside_it(folder: Path, page: Page) -> None:
    inside = {base64.b64decode(image["src"].split(",")[1]) for image in page.all("img")}
    beside = {(folder / name).read_bytes() for name in FILES if name.endswith(".png")}
    assert inside == beside
    assert all(png.startswith(b"\x89PNG") for png in beside)


def test_every_figure_has_an_alternative_text(page: Page) -> None:
    for image in page.all("img"):
        assert len(image["alt"].split()) > 8
        assert "%" in image["alt"]


def test_the_page_needs_no_network_and_no_script(folder: Path, page: Page) -> None:
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "form"} == set()
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for tag, attributes in page.tags:
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert attributes.get("href", "#scores").removeprefix("#") in ids
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
    policy = next(m["content"] for m in page.all("meta") if "http-equiv" in m)
    assert "default-src 'none'" in policy
    source = (folder / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"https?://|@import|url\(", source) == []


def test_texts_are_escaped(tmp_path: Path) -> None:
    context = f"Tom & {EVIL} came."
    example = one(f"Who {EVIL}?", context, "Tom", title=f"A_{EVIL}")
    analysis = analyse([example], [predicted(example, EVIL, 0.9)], decision=AT_ZERO)
    write_report(tmp_path, analysis, model=f"m{EVIL}", data=f'd"{EVIL}')
    page = Page(tmp_path / "index.html")
    assert page.all("script") == []
    for text in (f"Who {EVIL}?", f"A {EVIL}", f'm{EVIL} on d"{EVIL}', "Tom & "):
        assert text in page.text
    assert ("said", EVIL) in page.marks


def test_the_gold_answer_and_the_quote_are_marked_in_the_text(tmp_path: Path) -> None:
    context = "The Norse, led by Rollo, came by sea."
    examples = [
        one("overlap?", context, "led by Rollo"),
        one("none?", context, None),
        one("abstained?", context, "by sea"),
    ]
    predictions = [
        predicted(examples[0], "Rollo, came", 0.9),
        predicted(examples[1], "The Norse", 0.8),
        predicted(examples[2], "Rollo", 0.7, abstains=True),
    ]
    page = page_of(tmp_path, examples, predictions)
    assert page.marks[3:] == [  # after the three that explain them
        *(("gold", "led by "), ("gold said", "Rollo"), ("said", ", came")),
        ("said", "The Norse"),
        *(("near", "Rollo"), ("gold", "by sea")),
    ]
    assert page.text.count(context) == 3
    assert "no answer in this text" in page.text
    assert "no answer (the nearest quote: “Rollo”)" in page.text


def test_a_long_text_is_shown_as_excerpts_around_the_answers(tmp_path: Path) -> None:
    context = f"{'x ' * 5000}Rollo came.{' y' * 5000} The end was near. {'z ' * 5000}"
    example = one("Who?", context, "Rollo")
    page = page_of(tmp_path, [example], [predicted(example, "The end", 0.9)])
    assert page.marks[3:] == [("gold", "Rollo"), ("said", "The end")]
    assert page.text.count("…") == 4  # before, after, and on both sides of the gap
    assert 600 < page.text.count("x ") + page.text.count(" y") + page.text.count("z ") < 1000


def test_answers_at_the_start_and_end_of_a_text_are_marked(tmp_path: Path) -> None:
    example = one("Who?", "Rollo", "Rollo")
    page = page_of(tmp_path, [example], [predicted(example, "Rol", 0.9)])
    assert page.marks[3:] == [("gold said", "Rol"), ("gold", "lo")]


# ---- unusual data


def test_data_of_one_kind_has_fewer_figures(tmp_path: Path) -> None:
    examples = [one(f"{n}?", f"{n} Rollo", None) for n in range(3)]
    page = page_of(tmp_path, examples, [predicted(e, "Rollo", 0.6) for e in examples])
    names = {path.name for path in tmp_path.iterdir()}
    assert "na_prob_hist_noAns.png" in names
    assert names & {"pr_exact.png", "pr_oracle.png", "na_prob_hist_hasAns.png"} == set()
    assert "Average precision" not in page.text


def test_no_mistakes_and_blank_texts(tmp_path: Path) -> None:
    blank = Example("1", "Who?", " \n")
    page = page_of(tmp_path, [blank], [Prediction("1", None, (), 1.0, 1e9)])
    assert "There are none." in page.text


# ---- the folder


def test_an_older_report_is_replaced_and_other_files_stay(
    tmp_path: Path, analysis: Analysis
) -> None:
    write_report(tmp_path, analysis, model="m", data="d")
    (tmp_path / "notes.txt").write_text("mine")
    before = (tmp_path / "risk_coverage.png").read_bytes()
    examples = [one(f"{n}?", f"{n} Rollo", None) for n in range(3)]
    page_of(tmp_path, examples, [predicted(e, "Rollo", 0.6) for e in examples])
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "risk_coverage.png").read_bytes() != before
    # a curve that this data does not have would belong to the older report
    assert not (tmp_path / "pr_exact.png").exists()


def test_the_same_predictions_make_the_same_bytes(
    tmp_path: Path, folder: Path, analysis: Analysis
) -> None:
    write_report(tmp_path, analysis, model="tiny", data="tune.json")
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_folder_that_cannot_be_written(tmp_path: Path, analysis: Analysis) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(tmp_path / "report", analysis, model="m", data="d")
    assert (tmp_path / "report").read_text() == "mine"


@pytest.mark.usefixtures("no_matplotlib")
def test_without_matplotlib_the_extra_is_named(tmp_path: Path, analysis: Analysis) -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "pullquote\[report\]"'):
        write_report(tmp_path, analysis, model="m", data="d")
    assert list(tmp_path.iterdir()) == []
