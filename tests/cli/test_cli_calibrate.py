"""pullquote calibrate and quantize: a copy of the bundled model, changed from the terminal."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Run

from pullquote import Reader
from pullquote.checkpoints.bundled import BUNDLED
from pullquote.data import load, save
from pullquote.reading.calibrate import long_texts
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
    """The bundled `tiny` without its calibration, deciding by its threshold."""
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED / "tiny", folder)
    settings = stored(folder)
    for name in ("calibration", "answerable", "answerable_chosen_on"):
        settings.pop(name, None)
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
    assert f"calibrated on {data}: ECE " in done.out
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


def test_calibration_says_what_it_did_to_the_scores(call: Run, model: Path, data: Path) -> None:
    # the best quotes are right on the thirty answerable questions, and both kinds are told apart;
    # raw scores of a model that has not seen such texts are less sure than that
    first = call("calibrate", model, data).succeeded().out.splitlines()[0]
    found = re.fullmatch(rf"calibrated on {data}: ECE (\S+) %, before (\S+) %", first)
    assert found is not None
    after, before = float(found[1]), float(found[2])
    assert after < before
    again = call("calibrate", model, data).succeeded().out.splitlines()[0]
    assert again.endswith(f"ECE {found[1]} %, before {found[1]} %")
    # the same number as evaluate has, where half of the questions are expected to have an answer
    out = call("evaluate", model, data, "--answerable", "50%").succeeded().out
    assert f"off by {found[1]} % (ECE)" in out


def test_the_share_of_answerable_questions_is_chosen_on_other_data(
    call: Run, model: Path, data: Path, tmp_path: Path
) -> None:
    use = tmp_path / "use.jsonl"
    save([e for e in load(data).examples if int(e.id) % 6 < 4], use)
    lines = call("calibrate", model, data, "--answerable-from", use).succeeded().out.splitlines()
    settings = stored(model)
    share = settings["answerable"]
    assert 0.05 <= share <= 0.95
    assert settings["answerable_chosen_on"] == (
        "use.jsonl: most right minus wrong answers over 40 questions, 20 of them answerable"
    )
    assert settings["calibration"]["fitted_on"].startswith("data.jsonl")
    assert lines[2] == f"stored in {model}; decision: answerable {100 * share:.4g} %"
    # what it does on that data is what the model does from now on
    found = re.fullmatch(
        rf"on {use}: (\d+) right answers, (\d+) wrong, (\d+) abstentions", lines[1]
    )
    assert found is not None
    examples = load(use).examples
    texts = [prediction.text for prediction in Reader(model).answer_all(examples)]
    gold = [{answer.text for answer in example.answers} for example in examples]
    right = sum(text in golds for text, golds in zip(texts, gold, strict=True))
    assert [int(n) for n in found.groups()] == [
        *(right, len(texts) - right - texts.count(""), texts.count(""))
    ]
    assert right > 0

    # again without new scores, and with the share of one's choice
    calibration = settings["calibration"]
    alone = call("calibrate", model, "--answerable-from", use).succeeded().out.splitlines()
    assert alone == lines[1:]
    assert stored(model) == settings
    out = call("calibrate", model, "--answerable", "80%").succeeded().out
    assert out == f"stored in {model}; decision: answerable 80 %\n"
    assert (stored(model)["answerable"], stored(model)["calibration"]) == (0.8, calibration)
    assert stored(model)["answerable_chosen_on"] == "set by hand"
    # new scores alone keep the decision, a threshold replaces it
    out = call("calibrate", model, data).succeeded().out
    assert out.endswith("; decision: answerable 80 %, as before\n")
    out = call("calibrate", model, data, "--threshold-for", "f1").succeeded().out
    threshold = stored(model)["no_answer_threshold"]
    assert out.endswith(f"; decision: threshold {threshold:.4g}\n")
    assert (stored(model)["answerable"], stored(model)["answerable_chosen_on"]) == (None, "")


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
    call("calibrate", model, data, "--answerable-from", "nothing.json").failed("nothing.json")
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
    out = tmp_path / "small"
    done = call(
        *("quantize", "tiny", "-o", out, "--max-bytes", "3.3 MiB", "--data", data),
        *("--questions", 20, "--max-loss", 20),
    ).succeeded()
    forms = [line for line in done.out.splitlines() if line.startswith(("fp32", "words"))]
    assert [form.split(" bits")[0] for form in forms[1:]] == ["words 8", "words 4"]
    assert done.out.count("too large") == 2  # fp32, and where a word keeps 8 bits
    size = sum(file.stat().st_size for file in out.iterdir())
    assert size < 3.3 * 2**20
    assert f"{size / 2**20:.2f} MiB; F1 on all 60 questions" in done.out
    settings = stored(out)
    assert settings["threshold_fitted_on"].startswith("data.jsonl: best F1 over 60 questions")
    for name, fitted_on in (
        (f"threshold {settings['no_answer_threshold']:.4f}", settings["threshold_fitted_on"]),
        ("calibrated scores", settings["calibration"]["fitted_on"]),
    ):
        assert f"\n{name}: {fitted_on}\n" in done.out
    assert Reader(out).answer("Who led the Norse?", "The Norse were led by Rollo.").answers


def test_a_model_that_fits_in_no_form(call: Run, tmp_path: Path, data: Path) -> None:
    pytest.importorskip("torch")
    none = call(
        *("quantize", "tiny", "-o", tmp_path / "none", "--max-bytes", 1000, "--data", data),
        *("--questions", 4),
    )
    assert len([line for line in none.out.splitlines() if line.startswith("words")]) == 13
    assert none.code == 1
    assert "no form takes 1,000 bytes or less" in none.err
    assert not (tmp_path / "none").exists()


def test_a_place_that_is_taken_is_seen_before_the_work(
    call: Run, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("the forms were measured first")

    pytest.importorskip("torch")
    monkeypatch.setattr("pullquote.publishing.bit_search.measure_forms", work)
    checkpoint = tmp_path / "run"
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(b"weeks of work")
    for place in (checkpoint, checkpoint / "model.safetensors"):
        done = call("quantize", "tiny", "-o", place, "--max-bytes", "9 MiB", "--data", data)
        done.failed("exists and is not empty; choose another place")
    assert (checkpoint / "model.safetensors").read_bytes() == b"weeks of work"


@pytest.mark.parametrize("size", ["", "MiB", "-3MB", "3 furlongs", "1e3"])
def test_a_size_that_is_none(call: Run, size: str, data: Path) -> None:
    done = call("quantize", "tiny", "-o", "x", "--max-bytes", size, "--data", data)
    done.failed("is no size; expected one such as 16.74MiB", code=2)
