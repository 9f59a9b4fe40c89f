"""pullquote calibrate and quantize: a copy of the bundled model, changed from the terminal."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Run

from pullquote import Reader
from pullquote.checkpoints.bundled import BUNDLED
from pullquote.data import load, save
from pullquote.reading.calibrate import calibrate, long_texts
from pullquote.types import Example, Span

NAMES = ("Rollo", "Ragnar", "Harald", "Emma", "Bjorn")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """60 questions on 15 paragraphs of 3 articles; half of them have an answer."""
    examples = []
    for number in range(60):
        place, name = number % 15, NAMES[number % 5]
        context = f"In the year {900 + place}, the Norse who were led by {name} came by sea."
        start = context.index(name)
        asked, answers = "Who led the Norse?", (Span(name, start, start + len(name)),)
        if number >= 30:
            asked, answers = "Which gold coins were lost in Paris?", ()
        title = f"Article {place % 3}"
        examples.append(Example(str(number), f"{asked} {number}", context, answers, title))
    save(examples, tmp_path / "data.jsonl")
    return tmp_path / "data.jsonl"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The bundled `tiny` without its calibration."""
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED / "tiny", folder)
    settings = stored(folder)
    settings.pop("calibration", None)
    (folder / "reader.json").write_text(json.dumps(settings))
    return folder


def stored(folder: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((folder / "reader.json").read_text())
    return settings


def test_a_model_is_calibrated_and_answers_with_other_scores(
    call: Run, model: Path, data: Path
) -> None:
    example = load(data).examples[0]
    before = Reader(model).answer(example.question, example.context)
    threshold = stored(model)["no_answer_threshold"]
    done = call("calibrate", model, data).succeeded()
    assert f"{model}: calibrated on {data}" in done.out
    settings = stored(model)
    assert settings["calibration"]["temperature"] != 1.0
    assert settings["calibration"]["fitted_on"].startswith("data.jsonl: likelihood over 60 quest")
    assert settings["no_answer_threshold"] == threshold
    after = Reader(model).answer(example.question, example.context)
    assert after.no_answer_score != before.no_answer_score
    assert (after.text, after.null_score_diff) == (before.text, before.null_score_diff)
    # what is fitted does not depend on what was stored before
    call("calibrate", model, data).succeeded()
    assert stored(model) == settings


def test_a_single_gold_answer_may_be_cut_elsewhere(model: Path, data: Path) -> None:
    def longer(example: Example, people: int) -> Example:
        golds = []
        for gold in example.answers:
            end = gold.start + len(f"{gold.text} came by sea")  # of which the name has F1 0.4
            golds = [Span(example.context[gold.start : end], gold.start, end)] * people
        return replace(example, answers=tuple(golds))

    reader, examples = Reader(model), load(data).examples
    one, three = (
        calibrate(reader, [longer(example, people) for example in examples]).config.calibration
        for people in (1, 3)
    )
    assert one.temperature < 1 < three.temperature
    assert one.bias == three.bias  # whether there is an answer is not in doubt


def test_a_threshold_is_chosen_for_a_goal(call: Run, model: Path, data: Path) -> None:
    done = call("calibrate", model, data, "--threshold-for", "coverage=0.5").succeeded()
    settings = stored(model)
    assert f"threshold {settings['no_answer_threshold']:.4f} for coverage 0.5: answers" in done.out
    assert settings["threshold_fitted_on"].startswith("data.jsonl: coverage 0.5 over 60 questions")
    predictions = list(Reader(model).answer_all(load(data).examples))
    answered = sum(prediction.answer is not None for prediction in predictions)
    assert answered == pytest.approx(30, abs=2)


def test_bad_goals_and_models_leave_the_settings_as_they_were(
    call: Run, model: Path, data: Path
) -> None:
    before = stored(model)
    call("calibrate", model, data, "--threshold-for", "recall=1").failed("'recall=1'", "exact")
    call("calibrate", "tiny", data).failed("tiny: came with pullquote", "Copy the bundled one")
    call("calibrate", model, "nothing.json").failed("nothing.json")
    few = model.parent / "few.jsonl"
    few.write_text('{"id": "1", "question": "q", "context": "Rollo", "answers": []}\n')
    call("calibrate", model, few).failed("0 answerable and 1 unanswerable", "at least 20")
    assert stored(model) == before


def test_long_texts_hold_their_paragraphs_and_answers(data: Path) -> None:
    examples = load(data).examples
    made = long_texts(examples)
    assert len({example.id for example in made}) == len(made)
    origin = {example.id: example for example in examples}
    longer = 0
    for example in made:
        name, _, count = example.id.partition(" among ")
        paragraphs = example.context.split("\n\n")
        assert len(paragraphs) <= int(count)
        assert origin[name].context in example.context
        longer += len(paragraphs) > 1
        assert [answer.text for answer in example.answers] == [
            answer.text for answer in origin[name].answers
        ]
        for answer in example.answers:
            assert example.context[answer.start : answer.end] == answer.text
    assert longer == len(made) == 120


def test_a_model_is_made_to_fit(call: Run, tmp_path: Path, data: Path) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "small"
    done = call(
        *("quantize", "tiny", "-o", out, "--max-bytes", "3.3 MiB", "--data", data),
        *("--questions", 20, "--max-loss", 20),
    ).succeeded()
    assert len([line for line in done.out.splitlines() if "words" in line]) == 12
    assert done.out.count("too large") == 7  # fp32, and where a word keeps 5 bits or more
    size = sum(file.stat().st_size for file in out.iterdir())
    assert size < 3.3 * 2**20
    assert f"{size / 2**20:.2f} MiB; F1 on all 60 questions" in done.out
    assert stored(out)["threshold_fitted_on"].startswith("data.jsonl: best F1 over 60 questions")
    assert Reader(out).answer("Who led the Norse?", "The Norse were led by Rollo.").answers

    none = call(
        *("quantize", "tiny", "-o", tmp_path / "none", "--max-bytes", 1000, "--data", data),
        *("--questions", 4),
    )
    assert none.code == 1
    assert "no form takes 1,000 bytes or less" in none.err
    assert not (tmp_path / "none").exists()


def test_a_place_that_is_taken_is_seen_before_the_work(
    call: Run, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("the forms were measured first")

    pytest.importorskip("torch")
    monkeypatch.setattr("pullquote.publishing.bit_search.measure_schemes", work)
    checkpoint = tmp_path / "run"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"weeks of work")
    for place in (checkpoint, checkpoint / "model.safetensors"):
        done = call("quantize", "tiny", "-o", place, "--max-bytes", "9 MiB", "--data", data)
        done.failed("exists and is not an older export; choose another place")
    assert (checkpoint / "model.safetensors").read_bytes() == b"weeks of work"


@pytest.mark.parametrize("size", ["", "MiB", "-3MB", "3 furlongs", "1e3"])
def test_a_size_that_is_none(call: Run, size: str, data: Path) -> None:
    done = call("quantize", "tiny", "-o", "x", "--max-bytes", size, "--data", data)
    done.failed("is no size; expected one such as 16.74MiB", code=2)
