"""`pullquote ask` with the bundled model: what it prints, where its text comes from, long texts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import LIGHTHOUSE, Run

from pullquote import Answer, Prediction, Reader
from pullquote.cli.console import Near, abstention, echo_abstention, percent
from pullquote.reading.backends import cores, native_library

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


def test_no_answer_is_said_with_its_probability_and_the_nearest_quotes(call: Run) -> None:
    question = ("ask", "How much did the fourth tower cost?", LIGHTHOUSE, "--answerable", "2%")
    found = call(*question, "--json").succeeded().json
    assert (found["answer"], found["threshold"], found["answerable"]) == (None, None, 0.02)
    assert found["no_answer_score"] > 0.5
    first, head, *quotes = call(*question).succeeded().out.splitlines()
    assert first == f"No answer in this text ({percent(found['no_answer_score'])})."
    assert head in ("  nearest quote:", "  nearest quotes:")
    best = found["answers"][0]
    assert f"(characters {best['start']}-{best['end']})" in quotes[0]
    assert len(quotes) == max(1, sum(answer["score"] >= 0.01 for answer in found["answers"]))


def predicted(none: float, *scores: float, threshold: float | None = None) -> Prediction:
    """An abstention with quotes of these scores: "quote 0", "quote 1", ..."""
    quotes = [Answer(f"quote {n}", n, n + 7, score, 0.0, 0.0) for n, score in enumerate(scores)]
    return Prediction("", None, tuple(quotes), none, null_score_diff=1.0, threshold=threshold)


@pytest.mark.parametrize(
    ("prediction", "sentence"),
    [
        (predicted(0.816, 0.1), "No answer in it (82 %)."),
        (predicted(1.0), "No answer in it (100 %)."),
        (predicted(0.9996, 0.0), "No answer in it (>99 %)."),
        (predicted(0.46, 0.3), "No sure answer: 46 % that there is none in it."),
        (predicted(0.46, 0.3, threshold=-1), "No sure answer: 46 % that there is none in it."),
        (
            predicted(0.003, 0.9, threshold=-1),
            "No sure answer: <1 % that there is none in it, but the threshold asks for a surer "
            "answer.",
        ),
        (predicted(0.6, 0.2, threshold=-1), "No answer in it (60 %)."),
    ],
)
def test_the_words_of_an_abstention_fit_its_probabilities(
    prediction: Prediction, sentence: str
) -> None:
    best = prediction.answers[0].score if prediction.answers else None
    assert abstention("it", prediction, best) == sentence


@pytest.mark.parametrize(
    ("scores", "top_k", "lines"),
    [
        ((0.2, 0.094, 0.0099), 1, ["    20 %  0", "     9 %  1"]),
        ((0.004, 0.003), 1, ["    <1 %  0"]),  # at least the best
        ((0.2, 0.004, 0.0), 3, ["    20 %  0", "    <1 %  1", "     0 %  2"]),  # as asked for
        ((), 1, []),
    ],
)
def test_near_quotes_are_those_asked_for_and_what_is_likelier_than_one_percent(
    capsys: pytest.CaptureFixture[str], scores: tuple[float, ...], top_k: int, lines: list[str]
) -> None:
    near = [Near(score, str(n), "here") for n, score in enumerate(scores)]
    echo_abstention("it", predicted(0.5, *scores), near, top_k=top_k, hint=True)
    _, *shown = capsys.readouterr().out.splitlines()  # no hint but on a terminal
    assert [line.replace('"', "") for line in shown[1:]] == [f"{line} (here)" for line in lines]
    assert shown[:1] == {0: [], 1: ["  nearest quote:"]}.get(len(lines), ["  nearest quotes:"])


def test_a_long_near_quote_is_cut_to_one_line_of_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    near = [Near(0.1, "one two\n" * 20, "characters 12345-12505")]
    echo_abstention("it", predicted(0.5, 0.1), near, top_k=1, hint=False)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith('    10 %  "one two one two one')
    assert line.endswith('..." (characters 12345-12505)')
    assert len(line) <= 80


def test_a_threshold_that_decides_against_the_probabilities_is_named(call: Run) -> None:
    # null logit - best span logit is far below 0 here, and even further above -9999
    out = call("ask", WHO, "--context", NORSE, *NEVER).succeeded().out
    first, *_, quote = out.splitlines()
    assert first.startswith("No sure answer: ")
    assert first.endswith(" in this text, but the threshold asks for a surer answer.")
    assert quote.endswith('%  "Rollo" (characters 18-23)')


def test_more_answers_are_given_where_more_questions_are_answerable(call: Run) -> None:
    ask = ("ask", WHO, "--context", NORSE, "--json")
    shares = ("0.01%", "1 %", "0.5", ".99", "100%")
    found = [call(*ask, "--answerable", share).succeeded().json for share in shares]
    assert [round(one["answerable"], 6) for one in found] == [0.0001, 0.01, 0.5, 0.99, 1.0]
    none = [one["no_answer_score"] for one in found]
    assert none == sorted(none, reverse=True)
    assert (found[0]["answer"], none[-1]) == (None, 0.0)
    assert found[-1]["answer"]["text"] == "Rollo"


def test_what_a_misspelt_word_is_read_as_is_told(call: Run) -> None:
    ask = ("ask", "Who buitl the first lighthuose?", LIGHTHOUSE)
    found = call(*ask, "--json", *ALWAYS).succeeded().json
    assert found["corrections"] == [
        {"word": "buitl", "read_as": "built"},
        {"word": "lighthuose", "read_as": "lighthouse"},
    ]
    answered = call(*ask, "--top-k", 2, *ALWAYS).succeeded().out.split("\n\n")
    assert answered[0].startswith("Henry Winstanley\n")
    assert [one.splitlines()[-1] == "  read as: built, lighthouse" for one in answered] == [
        *(True, False)
    ]
    abstained = call(*ask, *NEVER).succeeded().out.splitlines()
    assert abstained[1] == "  read as: built, lighthouse"
    as_written = call(*ask, "--no-spelling", "--json", *ALWAYS).succeeded().json
    assert as_written["corrections"] == []
    assert as_written["null_score_diff"] != found["null_score_diff"]


def test_a_question_without_mistakes_has_no_such_line(call: Run) -> None:
    for more in (ALWAYS, NEVER):
        assert "read as" not in call("ask", WHO, "--context", NORSE, *more).succeeded().out


def test_top_k_lists_the_best_first(call: Run) -> None:
    entries = call("ask", WHO, "--context", NORSE, "--top-k", 3).succeeded().out.split("\n\n")
    assert len(entries) == 3
    assert all(len(entry.splitlines()) == 3 for entry in entries)
    assert entries[0].startswith("Rollo\n  The Norse, led by Rollo, came by sea.\n  score 0.")


def test_top_k_without_an_answer_lists_as_many_near_quotes(call: Run) -> None:
    out = call("ask", WHO, "--context", NORSE, "--top-k", 3, *NEVER).succeeded().out
    _, head, *quotes = out.splitlines()
    assert head == "  nearest quotes:"
    assert '%  "Rollo" (' in quotes[0]
    assert len(quotes) == 3


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
    assert found["answers"][0]["text"] == "Rollo"
    assert 1 < len(found["answers"]) <= 5


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
        assert out == "No answer in this text (100 %).\n"
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


def test_scores_that_were_never_calibrated_are_said_to_be_none(
    run: Run, model_dir: Path, tmp_path: Path
) -> None:
    text = tmp_path / "sagas" / "text.txt"
    text.parent.mkdir()
    text.write_text("The Norse, led by Rollo, came by sea.")
    for where in (text, text.parent):
        err = run("ask", "Who led?", where, "--model", model_dir).succeeded().err
        assert err.count("are no probabilities, for they were never calibrated") == 1
        assert f"pullquote calibrate {model_dir} DATA" in " ".join(err.split())
    assert run("ask", "Who led?", text, "--model", "tiny").succeeded().err == ""


@pytest.mark.parametrize(
    "command",
    [
        "highlight Who? text.txt --model MODEL",
        "ask --questions rows.csv text.txt -o found.csv --model MODEL",
        "fill questions.toml text.txt -o table.csv --model MODEL",
        "predict MODEL rows.csv -o answers.csv",
        "batch rows.csv answers --model MODEL",
        "mcp text.txt --model MODEL",
    ],
)
def test_every_command_with_scores_says_so_once(
    run: Run, model_dir: Path, tmp_path: Path, command: str
) -> None:
    needed = {"mcp": "mcp", "batch": "pyarrow"}.get(command.partition(" ")[0])
    if needed:
        pytest.importorskip(needed)
    (tmp_path / "text.txt").write_text("The Norse, led by Rollo, came by sea.")
    (tmp_path / "rows.csv").write_text("question,context\nWho led?,Rollo led.\nWho?,Rollo.\n")
    (tmp_path / "questions.toml").write_text('[[question]]\nname = "a"\nask = ["Who?", "Who led?"]')
    for model, times in ((model_dir, 1), ("tiny", 0)):
        words = [str(model) if word == "MODEL" else word for word in command.split()]
        done = run(*words)
        if words[0] == "batch":
            (tmp_path / "answers").rename(tmp_path / f"answers of {times}")
        assert done.code == 0, done
        assert done.err.count("are no probabilities, for they were never calibrated") == times


@pytest.mark.packed
@pytest.mark.skipif(not native_library.available(), reason="no engine here: make engine")
@pytest.mark.parametrize(("wanted", "threads"), [(None, 1), ("3", 3)])
def test_numpy_starts_no_threads_where_the_engine_reads(wanted: str | None, threads: int) -> None:
    code = """
from pullquote.cli.console import open_reader
open_reader("tiny", device="cpu", precision="auto", threads=1)
import psutil
print(psutil.Process().num_threads())
"""
    variables = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    if wanted:
        variables["OPENBLAS_NUM_THREADS"] = wanted
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True)
    assert done.stdout.decode() == f"{min(threads, cores())}\n"
