"""The people benchmark: its questions hold what they must, and its runner prints its tables."""

from __future__ import annotations

import doctest
import itertools
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pullquote import Example, Reader, Span
from pullquote.data import load as load_examples
from pullquote.data import save
from pullquote.data.download import RemoteFile

# Before `benchmarks`, which has modules of the same names.
sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks" / "people"))

import figures
import outside
import questions as people
import tables
from asking import Asked, ask_folders, from_pipeline, is_right, on_text, place_in_document
from forms import FORMS, made

PEOPLE = people.HERE
QUESTIONS = people.load()


def asked(number: int, **fields: object) -> Asked:
    """A question that was asked of a text of its own, answered and right."""
    usual = Asked(
        id=str(number),
        text=f"text {number}",
        kind="contract",
        wording="own",
        sort="",
        answerable=True,
        answered=True,
        quotes=("a",),
        right=(True,),
        score=0.5,
        no_answer_score=0.5,
        log_odds=0.0,
    )
    return replace(usual, **fields)


# ---- the questions


def test_no_question_has_a_problem() -> None:
    assert [(q.id, problem) for q in QUESTIONS for problem in people.problems(q)] == []
    assert len({q.id for q in QUESTIONS}) == len(QUESTIONS)


def test_problems_are_found() -> None:
    text = next(q.text for q in QUESTIONS if q.kind == "contract")
    wrong = people.Question("x", text, "Who pays the rent?", ("nobody",), "nowhere", wording="own")
    assert len(list(people.problems(wrong))) == 2  # the evidence, and the answer in it


def test_there_are_enough_of_each() -> None:
    answerable = [q for q in QUESTIONS if q.answers]
    assert len(QUESTIONS) >= 500
    assert len({q.text for q in QUESTIONS}) >= 150
    assert len({q.kind for q in QUESTIONS if q.kind != "folder"}) >= 12
    assert 0.4 < sum(q.split == "test" for q in QUESTIONS) / len(QUESTIONS) < 0.6
    assert sum(q.wording == "paraphrase" for q in answerable) >= len(answerable) / 2
    assert len(QUESTIONS) - len(answerable) >= len(QUESTIONS) / 4
    assert min(Counter(q.sort for q in QUESTIONS if q.sort).values()) >= 40


def test_the_evidence_stands_in_the_text_that_is_read_from_a_document() -> None:
    for q in QUESTIONS:
        if q.document:
            start, end = place_in_document(q, people.HERE / q.text)
            assert 0 <= start < end
    lost = replace(QUESTIONS[0], evidence="nowhere", document="timeline.html")
    with pytest.raises(ValueError, match="stands 0 times"):
        place_in_document(lost, PEOPLE / "folders" / "10-novel")


def test_the_evidence_of_questions_on_rows_is_a_row() -> None:
    rows = PEOPLE.parent / "rows"
    for q in people.questions_in(rows / "questions.jsonl"):
        start, end = place_in_document(q, rows / q.text)
        assert 0 <= start < end
        assert any(answer in q.evidence for answer in q.answers)


def test_the_datasheet_has_the_numbers_of_the_questions() -> None:
    sheet = (PEOPLE / "README.md").read_text(encoding="utf-8")
    counts = Counter(q.sort for q in QUESTIONS if q.sort)
    for sort in people.SORTS:
        assert f"| `{sort}` | {counts[sort]} |" in sheet
    for split in people.SPLITS:
        some = [q for q in QUESTIONS if q.split == split]
        texts = {q.text for q in some}
        folders = {name for name in texts if name.startswith("folders/")}
        numbers = f"{len(texts - folders)} texts, {len(folders)} folders, {len(some)} questions"
        assert f"`{split}` ({numbers})" in " ".join(sheet.split())


def test_squad_json_of_a_split_has_the_answers_in_their_places(tmp_path: Path) -> None:
    out = tmp_path / "tune.json"
    command = [sys.executable, PEOPLE / "questions.py", "--write", "tune", out]
    subprocess.run(command, check=True)
    data = load_examples(out)
    expected = [q for q in QUESTIONS if q.split == "tune" and q.kind != "folder"]
    assert data.dropped == ()
    assert [e.id for e in data.examples] == [q.id for q in expected]
    for example, question in zip(data.examples, expected, strict=True):
        assert [span.text for span in example.answers] == list(question.answers)
        start, end = people.evidence_place(question, example.context)
        assert all(start <= span.start and span.end <= end for span in example.answers)


def test_forms_are_the_same_every_time() -> None:
    forms = made("Who pays for the lift?", "contract-03-4")
    assert forms == {
        "plain": "Who pays for the lift?",
        "lower case": "who pays for the lift?",
        "keywords": "pays lift",
        "one typo": "Woh pays for the lift?",
        "two typos": "ho pays eor the lift?",
    }
    assert tuple(forms) == FORMS


def test_typos_change_one_and_two_words() -> None:
    for q in QUESTIONS:
        forms = made(q.question, q.id)
        for form, most in (("one typo", 1), ("two typos", 2)):
            pairs = zip(q.question.split(), forms[form].split(), strict=True)
            assert 1 <= sum(before != after for before, after in pairs) <= most, q.id


# ---- right or wrong


def test_a_quote_is_right_with_the_words_and_the_place() -> None:
    assert is_right("four weeks", 10, 20, ["four weeks' notice", "4 weeks"], [(5, 40)])
    assert not is_right("four weeks", 50, 60, ["four weeks' notice"], [(5, 40)])
    assert not is_right("next four", 10, 20, ["four weeks' notice"], [(5, 40)])
    assert not is_right("four weeks", 10, 20, [], [])


def test_answers_of_the_pipeline_are_marked_in_the_same_way() -> None:
    question = next(q for q in QUESTIONS if q.kind == "contract" and q.answers)
    asking = on_text(question, "another form?")
    assert asking.example.question == "another form?"
    (span, *_) = asking.example.answers
    right = {"answer": span.text, "start": span.start, "end": span.end}
    abstained = {"answer": "", "start": 0, "end": 0}
    (first,) = from_pipeline([asking], {question.id: right})
    (second,) = from_pipeline([asking], {question.id: abstained})
    assert (first.answered, first.best_right) == (True, True)
    assert (second.answered, second.best_right) == (False, False)


def test_a_quote_from_another_document_is_wrong(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("The rent is 840 crowns.", encoding="utf-8")
    (of_a, of_b) = ask_folders(
        Reader("tiny", threads=1),
        [
            people.Question(
                f"rent of {name}",
                str(tmp_path),
                "How much is the rent?",
                ("840 crowns",),
                "The rent is 840 crowns",
                document=name,
            )
            for name in ("a.txt", "b.txt")
        ],
    )
    assert of_a.quotes[0] == of_b.quotes[0] == "840 crowns"
    assert sorted([of_a.best_right, of_b.best_right]) == [False, True]
    assert sorted([of_a.found.document, of_b.found.document]) == [1, 2]


# ---- figures


def test_examples_of_the_figures() -> None:
    assert doctest.testmod(figures).attempted >= 2
    assert doctest.testmod(figures).failed == 0


def test_shares_and_utility_of_a_few_questions() -> None:
    found = figures.quality(
        [
            asked(1, log_odds=-3.0),
            asked(2, log_odds=-1.0, right=(False, True)),
            asked(3, log_odds=0.0, answered=False),
            asked(4, log_odds=1.0, answerable=False, right=(False,)),
            asked(5, log_odds=2.0, answerable=False, right=(False,), answered=False),
            asked(6, log_odds=3.0, answered=False, right=(False,)),
        ]
    )
    shares = {name: round(share.value, 1) for name, share in found.shares.items()}
    assert shares == {
        "answered, right": 25.0,
        "answered, wrong": 25.0,
        "abstained": 50.0,
        "abstained, best quote right": 25.0,
        "best quote right": 50.0,
        "right among five": 75.0,
        "unanswerable, abstained": 50.0,
    }
    assert (found.questions, found.answerable, found.texts) == (6, 4, 6)
    assert found.utility.value == pytest.approx(-1 / 6)  # one right, two wrong
    assert found.always
    assert found.always.value == pytest.approx(-2 / 6)
    assert found.best == figures.Best(pytest.approx(1 / 6), pytest.approx(1 / (1 + np.exp(3))))
    assert found.utility.low is None  # six texts


def test_auroc_is_that_of_all_pairs() -> None:
    random = np.random.default_rng(0)
    value, positive = random.integers(5, size=60), random.random(60) < 0.4
    pairs = itertools.product(value[positive], value[~positive])
    expected = np.mean([(high > low) + 0.5 * (high == low) for high, low in pairs])
    estimate = figures.auroc(value, positive, [n // 2 for n in range(60)])
    assert estimate
    assert estimate.value == pytest.approx(expected)
    assert estimate.low is not None
    assert estimate.low < expected < estimate.high
    few = figures.auroc(value, positive, [n % 9 for n in range(60)])
    assert few
    assert few.low is few.high is None
    assert figures.auroc([1, 2], [True, True], "ab") is None


def test_change_is_in_pairs() -> None:
    plain = [asked(n, right=(n % 2 == 0,)) for n in range(40)]
    same = figures.change(plain, plain)
    assert same
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    half = figures.change(plain, [asked(n, right=(n % 4 == 0,)) for n in range(40)])
    assert half
    assert half.value == -50.0
    assert half.low < -50.0 < half.high


def test_exact_scores_are_below_the_ceiling_of_the_sampling_floor() -> None:
    score = np.random.default_rng(1).random(500)
    exact = figures.calibration_error(score, np.random.default_rng(2).random(500) < score)
    assert 0 < exact.floor < exact.high
    assert exact.ece < exact.high
    assert figures.calibration_error(score, score < 0.5).ece > exact.high
    assert figures.calibration_error([0, 1, 1], [0, 1, 1]) == figures.CalibrationError(0, 0, 0)


def test_intervals_are_printed_where_they_say_something() -> None:
    some = {str(n): asked(n, answered=n % 2 == 0) for n in range(20)}
    shares = figures.shares(list(some.values()))
    assert tables.percent(shares["answered, right"]).startswith("50.0 (")
    assert tables.percent(shares["best quote right"]) == "100.0"
    assert tables.number(None) == ""


# ---- the public sets


def test_a_sample_asks_each_question_again_of_another_document(tmp_path: Path) -> None:
    # three sites of two texts; question 4 is asked of text 0 alone
    asked_of = {0: (0, 1, 4), 1: (2, 3), 2: (0, 2), 3: (1,), 4: (0, 1), 5: (3,)}
    examples = [
        Example(
            f"{text} {n}",
            f"Question {n}?",
            f"Text {text}.",
            (Span("Text", 0, 4),),
            title=f"site {text // 2}",
        )
        for text, numbers in asked_of.items()
        for n in numbers
    ]
    path = tmp_path / "set.json"
    save(examples, path)
    public = outside.PublicSet("set", "", RemoteFile("set.json", 0, ""), each=2)
    sampled = outside.sample(public, path)
    assert sampled == outside.sample(public, path)
    answerable, other = sampled[::2], sampled[1::2]
    assert Counter(a.text for a in answerable) == {"set 1": 2, "set 2": 2, "set 3": 2}
    for first, second in zip(answerable, other, strict=True):
        assert second.example.question == first.example.question
        assert second.example.is_impossible
        assert second.text != first.text
        asked_there = [e.question for e in examples if e.context == second.example.context]
        assert first.example.question not in asked_there


# ---- the runner


def test_the_runner_prints_its_tables(tmp_path: Path) -> None:
    command = [sys.executable, PEOPLE / "run.py", "--split", "tune", "--model", "tiny"]
    command += ["--texts", "2", "--out", tmp_path, "--answers", tmp_path / "answers.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for corner in ("single texts, plain questions", "single texts by form", "folders"):
        assert f"\n| {corner} | " in done.stdout
    assert "| answered, right, % | " in done.stdout
    assert "transformers' pipeline was left out" in done.stdout
    assert "The public sets were left out" in done.stdout
    (file,) = tmp_path.glob("*-people-tune.json")
    figures_of = json.loads(file.read_text(encoding="utf-8"))["models"]["tiny"]
    texts = list(dict.fromkeys(q.text for q in QUESTIONS if q.split == "tune"))[:2]
    count = sum(q.text in texts for q in QUESTIONS)
    assert figures_of["single texts"]["questions"] == count
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert Counter(a["way"] for a in answers)["two typos"] == count
    assert {a["text"] for a in answers if a["way"] == "plain"} == set(texts)
    assert any(any(a["right"]) for a in answers if a["way"] == "plain")
    assert any(any(a["right"]) for a in answers if a["way"] == "folders")
