"""`pullquote ask` with the bundled model: what it prints, where its text comes from, long texts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import LIGHTHOUSE, Run

from pullquote import Reader

NORSE = "The Norse, led by Rollo, came by sea. They settled in Normandy."
WHO = "Who led the Norse?"
# Answered, or not answered, whatever threshold is stored with the model.
ALWAYS, NEVER = ("--threshold", "9999"), ("--threshold", "-9999")


def test_the_quote_its_sentence_its_score_and_place(call: Run) -> None:
    result = call("ask", WHO, "--context", f"It rained. {NORSE}", *ALWAYS).succeeded()
    quote, sentence, place = result.out.splitlines()
    assert quote == "Rollo"
    assert sentence == "  The Norse, led by Rollo, came by sea."
    assert place.startswith("  score 0.")
    assert place.endswith(", characters 29-34")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who built the first lighthouse?", "Henry Winstanley"),
        ("When was the first lighthouse lit?", "14 November 1698"),
    ],
)
def test_the_demo_is_answered(call: Run, question: str, answer: str) -> None:
    assert call("ask", question, LIGHTHOUSE).succeeded().out.splitlines()[0] == answer


def test_no_answer_says_so_and_names_the_nearest_quote(call: Run) -> None:
    result = call("ask", "How much did the fourth tower cost?", LIGHTHOUSE).succeeded()
    first, second = result.out.splitlines()
    assert first == "No answer in this text."
    assert second.startswith('  no-answer score 0.77; the nearest quote is "firmer ground')


def test_no_answer_by_a_strict_threshold_says_why(call: Run) -> None:
    # null logit - best span logit is far below 0 here, and even further above -9999
    out = call("ask", WHO, "--context", NORSE, *NEVER).succeeded().out
    assert out.startswith("No sure answer.\n  no-answer score 0.")
    assert out.endswith('but the threshold asks for a surer answer; the nearest quote is "Rollo"\n')


def test_top_k_lists_the_best_first(call: Run) -> None:
    entries = call("ask", WHO, "--context", NORSE, "--top-k", 3).succeeded().out.split("\n\n")
    assert len(entries) == 3
    assert all(len(entry.splitlines()) == 3 for entry in entries)
    assert entries[0].startswith("Rollo\n  The Norse, led by Rollo, came by sea.\n  score 0.")


def test_top_k_without_an_answer_lists_the_nearest_quotes(call: Run) -> None:
    result = call("ask", WHO, "--context", NORSE, "--top-k", 3, *NEVER).succeeded()
    head, *entries = result.out.split("\n\n")
    assert head.startswith("No sure answer.\n  no-answer score 0.")
    assert head.endswith("surer answer; the nearest quotes:")
    assert entries[0].startswith("Rollo\n")
    assert len(entries) == 3


def test_json_holds_the_offsets_and_all_scores(call: Run) -> None:
    found = call("ask", WHO, "--context", NORSE, "--json", "--top-k", 4).succeeded().json
    assert found["question"] == WHO
    assert found["answer"] == found["answers"][0]
    assert found["answer"]["text"] == "Rollo"
    assert [NORSE[a["start"] : a["end"]] for a in found["answers"]] == [
        a["text"] for a in found["answers"]
    ]
    scores = [a["score"] for a in found["answers"]]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)
    reader = Reader()
    prediction = reader.answer(WHO, NORSE, top_k=4)
    for name in ("no_answer_score", "null_score_diff"):
        assert found[name] == pytest.approx(getattr(prediction, name))
    assert 0 < sum(scores) + found["no_answer_score"] <= 1


def test_json_without_an_answer(call: Run) -> None:
    found = call("ask", WHO, "--context", NORSE, "--json", *NEVER).succeeded().json
    assert found["answer"] is None
    assert [answer["text"] for answer in found["answers"]] == ["Rollo"]


@pytest.mark.parametrize("dash", [[], ["-"]])
def test_the_text_comes_from_a_pipe(run: Run, dash: list[str]) -> None:
    result = run("ask", WHO, *dash, stdin=NORSE.encode()).succeeded()
    assert result.out.splitlines()[0] == "Rollo"


def test_a_text_that_is_not_utf_8_is_read_and_the_guess_is_told(call: Run, tmp_path: Path) -> None:
    Path(tmp_path, "latin.txt").write_bytes("Zoë led them; the rent was £840.".encode("cp1252"))
    result = call("ask", "Who led them?", "latin.txt", "--threshold", "9999")
    assert result.out.startswith("Zoë")
    told = "latin.txt: not UTF-8; read as Windows-1252, which is a guess"
    assert result.err == f"pullquote: note: {told}\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_files_of_windows_are_read_and_offsets_start_after_the_mark(
    call: Run, tmp_path: Path, encoding: str
) -> None:
    text = NORSE.replace(". ", ".\r\n")
    Path(tmp_path, "norse.txt").write_bytes(text.encode(encoding))
    answer = call("ask", WHO, "norse.txt", "--json", *ALWAYS).succeeded().json["answers"][0]
    assert text[answer["start"] : answer["end"]] == answer["text"] == "Rollo"


def test_a_quote_over_line_breaks_is_printed_on_one_line(call: Run) -> None:
    text = "The first\nlighthouse was built by Henry\r\n\tWinstanley. Then\n\nit fell."
    result = call("ask", "Who built the first lighthouse?", "--context", text, *ALWAYS)
    quote, sentence, _ = result.succeeded().out.splitlines()
    assert quote == "Henry Winstanley"
    assert sentence == "  The first lighthouse was built by Henry Winstanley."


@pytest.mark.parametrize(
    "text",
    [
        "Ребята, которых вёл Ролло, пришли с моря.",
        "ロロに率いられたノルド人は海からやって来た。",
        "قاد رولو \u200fالنورسيين من البحر، و\u200cجاءوا.",
        "The \U0001f469\u200d\U0001f467 led by Zo\u00eb\u0301 came; so\u00adft hyphens stay.",
    ],
)
def test_every_script_is_printed_as_it_stands(call: Run, text: str) -> None:
    result = call("ask", WHO, "--context", text, *ALWAYS).succeeded()
    quote, sentence, _ = result.out.splitlines()
    assert quote in text
    assert sentence.strip() in text


@pytest.mark.parametrize("text", ["\u200b", "\x01\x02", "\ufeff\u2060"])
def test_a_text_without_words_has_no_answer(call: Run, text: str, model_dir: Path) -> None:
    arguments = ("ask", WHO, "--context", text, "--model", model_dir)
    for more in ([], ["--top-k", "3"]):
        out = call(*arguments, *more).succeeded().out
        assert out == "No answer in this text.\n  no-answer score 1.00\n"
    assert call(*arguments, "--json").succeeded().json["answers"] == []


def test_a_question_longer_than_the_window_is_cut_with_a_note(call: Run) -> None:
    result = call("ask", "why " * 500 + "?", "--context", NORSE)
    assert result.code == 0
    assert result.out
    assert result.err == (
        "pullquote: note: the question has 501 tokens; only the first 64 are read "
        "(max_question_length)\n"
    )


def test_an_answer_deep_in_a_long_text(call: Run, tmp_path: Path) -> None:
    filler = "Nothing of note was written about the towers for months. " * 200
    text = filler + LIGHTHOUSE.read_text(encoding="utf-8") + filler
    Path(tmp_path, "long.txt").write_text(text, encoding="utf-8")
    result = call("ask", "Who designed the third lighthouse?", "long.txt", "--json", *ALWAYS)
    answer = result.succeeded().json["answer"]
    assert answer["text"] == "John Smeaton"
    assert text[answer["start"] : answer["end"]] == answer["text"]


def test_a_megabyte_is_read_in_seconds_by_a_tiny_model(
    call: Run, tmp_path: Path, model_dir: Path
) -> None:
    (model_dir / "reader.json").unlink()  # windows of 384 rather than 32
    text = "The river rises in the hills and ends at the sea. " * 20_000 + "Led by Rollo, all."
    Path(tmp_path, "large.txt").write_text(text, encoding="utf-8")
    started = time.monotonic()
    result = call("ask", WHO, "large.txt", "--json", "--model", model_dir, *ALWAYS)
    answer = result.succeeded().json["answer"]
    assert text[answer["start"] : answer["end"]] == answer["text"] != ""
    assert time.monotonic() - started < 60


def test_a_model_directory_and_one_thread(call: Run, model_dir: Path) -> None:
    result = call("ask", WHO, "--context", NORSE, "--model", model_dir, "--threads", 1, *ALWAYS)
    assert result.succeeded().out.splitlines()[0] in NORSE


def test_the_module_runs_as_the_command_does(run: Run, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("pullquote")
    if not script.is_file():
        pytest.skip("pullquote is not installed as a command here")
    done = subprocess.run(
        [script, "ask", WHO, "--context", NORSE], capture_output=True, cwd=tmp_path, check=True
    )
    assert done.stdout.decode() == run("ask", WHO, "--context", NORSE).succeeded().out


# ---- what a terminal or a pipe cannot hold


def test_half_a_character_in_the_arguments(run: Run) -> None:
    arguments = ("ask", b"Who \xff led the Norse?", "--context", b"Led by Rollo, they \xff came.")
    found = run(*arguments, "--json", *ALWAYS).succeeded().json
    assert found["question"] == "Who \udcff led the Norse?"
    text = "Led by Rollo, they \udcff came."
    answer = found["answer"]
    assert text[answer["start"] : answer["end"]] == answer["text"]
    quote, sentence, _ = run(*arguments, *ALWAYS).succeeded().out.splitlines()
    assert quote in sentence == "  Led by Rollo, they \ufffd came."


def test_half_a_character_in_the_name_of_a_file(run: Run, tmp_path: Path) -> None:
    name = os.fsdecode(b"norse\xff.txt")
    try:
        Path(tmp_path, name).write_text(NORSE, encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert run("ask", WHO, os.fsencode(name)).succeeded().out.startswith("Rollo\n")
    run("ask", WHO, b"nothing\xff.txt").failed("no such file")


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("utf-8", "  Людей вёл Zoë 中文 \U0001f600."),
        (
            "latin-1",
            r"  \u041b\u044e\u0434\u0435\u0439 \u0432\u0451\u043b Zoë \u4e2d\u6587 \U0001f600.",
        ),
        ("ascii", "  Людей вёл Zoë 中文 \U0001f600."),  # click takes it for a mistake: writes UTF-8
    ],
    ids=["utf-8", "latin-1", "ascii"],
)
def test_any_encoding_of_standard_output(run: Run, encoding: str, printed: str) -> None:
    text = "Людей вёл Zoë 中文 \U0001f600."
    arguments = ("ask", WHO, "--context", text, *ALWAYS)
    env = {"PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    written = "utf-8" if encoding == "ascii" else encoding
    out = run(*arguments, env=env, encoding=written).succeeded().out
    assert out.splitlines()[1] == printed
    found = run(*arguments, "--json", env=env, encoding=encoding).succeeded().json
    answer = found["answer"]
    assert text[answer["start"] : answer["end"]] == answer["text"]


def test_control_characters_of_a_text_do_not_reach_the_output(call: Run, tmp_path: Path) -> None:
    text = "Led by \x1b[31mRollo\x1b]0;owned\x07, \x9b5mthey\x7f came\x08."
    Path(tmp_path, "bad.txt").write_text(text, encoding="utf-8")
    for more in ([], ["--top-k", "3"], ["--json"], ["--json", "--top-k", "9"], [*NEVER]):
        out = call("ask", WHO, "bad.txt", *ALWAYS, *more).succeeded().out
        assert set(out) & set("\x1b\x07\x9b\x7f\x08") == set(), more
    found = call("ask", WHO, "bad.txt", "--json", *ALWAYS).json["answer"]
    assert text[found["start"] : found["end"]] == found["text"]
