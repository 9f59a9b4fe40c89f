"""Bad input of every kind: one line that says what was found and what to do, exit code 1 or 2."""

from __future__ import annotations

import gzip
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import ENVIRONMENT, LIGHTHOUSE, Run, question, squad

from pullquote.checkpoints.bundled import BUNDLED

NORSE = "The Norse, led by Rollo, came by sea."
WHO = "Who led the Norse?"
HEADER = "id,question,context,answers"
FULL = Path("/dev/full")

needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")


# ---- usage: exit code 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask"], ["no question: give QUESTION", "Try: pullquote ask --help"]),
        (["ask", WHO, "a.txt", "--context", "b"], ["two texts", "pullquote ask --help"]),
        (["ask", WHO, "--context", "b", "--nonsense"], ["--nonsense", "pullquote ask --help"]),
        (["ask", WHO, "--context"], ["--context"]),
        (["ask", WHO, "--context", "b", "--top-k", "0"], ["--top-k", "x>=1"]),
        (["ask", WHO, "--context", "b", "--top-k", "many"], ["--top-k", "'many'"]),
        (["ask", WHO, "--context", "b", "--threads", "0"], ["--threads"]),
        (["ask", WHO, "--context", "b", "--threshold", "high"], ["--threshold", "'high'"]),
        (["ask", WHO, "--context", "b", "--threshold", "nan"], ["--threshold", "9999"]),
        (["evaluate", "small", "d.json", "--threshold", "-inf"], ["--threshold", "-9999"]),
        *(
            (["ask", WHO, "--context", "b", "--answerable", share], ["--answerable", share, "80%"])
            for share in ("0", "0%", "101%", "1.1", "80", "-5%", "nan", "many", "", "8 0%")
        ),
        *(
            ([*command, "--answerable", "50%", "--threshold", "1"], ["two ways to decide"])
            for command in (
                ["ask", WHO, "--context", "b"],
                ["evaluate", "small", "d.json"],
                ["predict", "small", "d.json", "-o", "x"],
            )
        ),
        (
            ["compare", "a", "b", "d.json", "--answerable-b", "50%", "--threshold-b", "1"],
            ["--threshold-b and --answerable-b", "two ways to decide"],
        ),
        (["compare", "a", "b", "d.json", "--answerable-a", "7"], ["--answerable-a", "80%"]),
        (["evaluate", "small"], ["Missing argument 'DATA'"]),
        (["compare", "small", "tiny", "d.json", "--show", "-1"], ["--show"]),
        (["compare", "small", "tiny", "d.json", "--threshold-b", "nan"], ["--threshold-b"]),
        (["predict", "small", "d.json"], ["Missing option '-o'"]),
        (
            ["predict", "small", "d.json", "-o", "x", "--threshold", "1", "--never-abstain"],
            ["contradict each other"],
        ),
        (
            ["predict", "small", "d.json", "-o", "x", "--answerable", "1", "--never-abstain"],
            ["--answerable contradict each other"],
        ),
        (["score", "d.json", "p.json", "--threshold", "0.5"], ["--na-prob"]),
        (["export", "m", "-o", "x", "--fit-threshold"], ["--data"]),
        (["export", "m", "-o", "x", "--answerable-from", "u.json"], ["--fit-threshold"]),
        (["calibrate", "m"], ["give DATA, --answerable-from or --answerable"]),
        (["calibrate", "m", "--threshold-for", "f1"], ["give DATA"]),
        (
            ["calibrate", "m", "d.json", "--threshold-for", "f1", "--answerable", "80%"],
            ["--answerable and --threshold-for exclude each other"],
        ),
        (
            ["calibrate", "m", "--answerable-from", "u.json", "--answerable", "80%"],
            ["--answerable-from and --answerable exclude each other"],
        ),
        (["data", "chekc"], ["No such command 'chekc'", "Try: pullquote data --help"]),
        (["answer"], ["No such command 'answer'", "Try: pullquote --help"]),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_wrong_usage(call: Run, arguments: list[str], words: list[str]) -> None:
    call(*arguments).failed(*words, code=2)


@pytest.mark.parametrize("arguments", [[], ["data"]])
def test_no_command_at_all_is_answered_with_the_help(call: Run, arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.code in (0, 2)  # by click's version
    assert "Usage: pullquote" in result.out + result.err
    assert "Example" in result.out + result.err


# ---- questions and texts


@pytest.mark.parametrize("blank", ["", " \n\t", "\u3000"])
def test_a_blank_question_or_context(call: Run, blank: str) -> None:
    call("ask", blank, "--context", NORSE).failed("the question is blank")
    call("ask", WHO, "--context", blank).failed("--context is blank")


@pytest.mark.parametrize("blank", [b"", b"\xef\xbb\xbf", b" \r\n ", "\u2003".encode()])
def test_a_blank_file_or_pipe(run: Run, call: Run, tmp_path: Path, blank: bytes) -> None:
    Path(tmp_path, "blank.txt").write_bytes(blank)
    call("ask", WHO, "blank.txt").failed("blank.txt: holds no text")
    run("ask", WHO, stdin=blank).failed("standard input: holds no text")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Rollo \xed\xa0\x80 led", ["not UTF-8 text (byte 6)", "iconv"]),  # a lone surrogate
        (b"Rollo\0led", ["NUL characters"]),
        (b"\x7fELF\x02\0\0\xff\xfe" + bytes(range(256)), ["a program", "expected text, Markdown"]),
        (gzip.compress(NORSE.encode(), mtime=0), ["packed by gzip", "unpack it"]),
        (b"PK\x03\x04\x14\0\0\0\x08\0", ["a ZIP archive", "name its folder"]),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", ["a JPEG picture", "ocrmypdf"]),
        (bytes(range(256)), ["a binary file"]),
        (b"\xff\xfeR\0o\0l\0l", ["a binary file"]),  # UTF-16, cut in half
        (b"%PDF-1.7 \xe2\xe3", ["a PDF", "pdftotext"]),
    ],
)
def test_what_is_no_text(run: Run, call: Run, tmp_path: Path, content: bytes, words: Any) -> None:
    Path(tmp_path, "file").write_bytes(content)
    call("ask", WHO, "file").failed("file: ", *words)
    run("ask", WHO, "-", stdin=content).failed("standard input: ", *words)


def test_texts_that_are_not_there(call: Run, run: Run, tmp_path: Path) -> None:
    call("ask", WHO, "nowhere.txt").failed("nowhere.txt: no such file")
    call("ask", WHO, tmp_path).failed(f"{tmp_path}: nothing to read in it")
    call("ask", WHO, "x" * 5000).failed("cannot be read (File name too long)")
    run("ask", WHO, "two\nlines\x1b[31m.txt").failed("two lines\ufffd[31m.txt: no such file")


@pytest.mark.parametrize(
    "command",
    [
        ["ask", WHO],
        ["ask", WHO, "a.txt"],
        ["check", "a.txt"],
        ["check", "--source", "a.txt"],
        ["index", "-o", "new.idx"],
        ["highlight", WHO],
        ["fill", "q.toml", "-o", "t.csv"],
        ["passages"],
        ["mcp"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("https://a.example/b.html?key=1", "https://a.example/b.html?...: a URL, which is not"),
        ("https://a.example/notes.db", "https://a.example/notes.db: a URL, which is not fetched"),
        ("*.pdf", "*.pdf: no file or folder matches this pattern"),
        ("*.txt", "*.txt: a pattern; expected the paths that match it, such as a.txt"),
        ("*.db", "*.db: no "),
    ],
)
def test_urls_and_patterns_are_told_by_every_command(
    call: Run, tmp_path: Path, command: list[str], path: str, said: str
) -> None:
    if command == ["mcp"]:
        pytest.importorskip("mcp.server.mcpserver")
    Path(tmp_path, "a.txt").write_text(NORSE)
    Path(tmp_path, "q.toml").write_text('[[question]]\nname = "who"\nask = "Who led?"\n')
    call(*command, path).failed(said, code=2 if command[0] == "check" else 1)


@pytest.mark.parametrize("command", [["fill"], ["score"], ["data", "check"]], ids=" ".join)
def test_urls_and_patterns_are_told_of_files_of_data(call: Run, command: list[str]) -> None:
    rest = ["a.txt", "-o", "t.csv"] if command == ["fill"] else []
    rest = ["p.json"] if command == ["score"] else rest
    url = "https://a.example/q.json"
    call(*command, url, *rest).failed(f"{url}: a URL, which is not fetched; save it")
    call(*command, "q*.json", *rest).failed("q*.json: no file matches this pattern")


def test_standard_streams_that_are_closed(run: Run) -> None:
    def shell(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -m pullquote {command}'],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )

    done = shell(f'ask "{WHO}" <&-')
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("pullquote: error: no text: ")
    done = shell(f'ask "{WHO}" - <&-')
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        done = shell(f'ask "{WHO}" --context "{NORSE}" {closed}')
        assert (done.returncode, done.stderr) == (0, ""), closed


# ---- models


Change = Callable[[Path], object]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: (m / "tokenizer.json").unlink(), ["no tokenizer.json", "config.json, model"]),
        (lambda m: (m / "config.json").unlink(), ["no config.json", "Copy it"]),
        (lambda m: (m / "model.onnx").unlink(), ["no model.onnx", "pullquote export"]),
        (
            lambda m: (m / "model.onnx").rename(m / "pytorch_model.bin"),
            ["pickled weights", "Convert it once"],
        ),
        (lambda m: cut(m / "model.onnx"), ["not an ONNX model", "cut short", "again"]),
        (lambda m: (m / "model.onnx").write_bytes(b""), ["not an ONNX model", "0 bytes"]),
        (lambda m: (m / "model.onnx").write_text("<html>"), ["not an ONNX model"]),
        (lambda m: cut(m / "tokenizer.json"), ["tokenizer.json: ", "Copy"]),
        (lambda m: (m / "tokenizer.json").write_text("{}"), ["tokenizer.json: ", "Copy"]),
        (lambda m: (m / "tokenizer.json").write_bytes(b"\xff"), ["tokenizer.json: "]),
        (lambda m: cut(m / "config.json"), ["config.json: not JSON"]),
        (lambda m: (m / "config.json").write_text("[]"), ["expected a JSON object"]),
        (lambda m: (m / "config.json").write_text('{"vocab_size": 3}'), ["do not belong together"]),
        (lambda m: (m / "reader.json").write_text('{"stride": 3}'), ["unknown setting stride"]),
        (lambda m: (m / "reader.json").write_text('{"overlap": 1}'), ["overlap is 1"]),
        (lambda m: (m / "reader.json").write_text('{"overlap": "1"}'), ["expected a number"]),
        (lambda m: shutil.copy(LIGHTHOUSE, m / "reader.json"), ["reader.json: not JSON"]),
    ],
)
def test_a_model_directory_that_is_not_whole(
    call: Run, model_dir: Path, change: Change, words: list[str]
) -> None:
    change(model_dir)
    call("ask", WHO, "--context", NORSE, "--model", model_dir).failed(str(model_dir), *words)


@pytest.mark.packed
def test_the_real_model_cut_short(run: Run, tmp_path: Path) -> None:
    model = tmp_path / "small"
    shutil.copytree(BUNDLED / "small", model)
    cut(model / "packed.safetensors")
    run("ask", WHO, "--context", NORSE, "--model", model).failed(
        "packed.safetensors", "expected a whole safetensors file. Copy it from the model again"
    )


def test_another_models_tokenizer(call: Run, model_dir: Path) -> None:
    shutil.copy(BUNDLED / "small" / "tokenizer.json", model_dir)
    call("ask", WHO, "--context", NORSE, "--model", model_dir).failed("do not belong together")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smal", ["no such model", "Bundled: small"]),
        ("", ["blank"]),
        ("./nowhere", ["no such model"]),
        ("/nowhere/at/all", ["no such model"]),
        ("owner/name", ["cannot be reached", "Offline, use a bundled one: small"]),
        ("x" * 5000, ["cannot be a model's name"]),
    ],
)
def test_unknown_models(run: Run, tmp_path: Path, name: str, words: list[str]) -> None:
    env = {"HF_HOME": str(tmp_path / "hub")}
    run("ask", WHO, "--context", NORSE, "--model", name, env=env).failed(*words)


def test_unknown_models_in_every_command(call: Run, dev30: Path) -> None:
    for arguments in (
        ["evaluate", "smal", dev30],
        ["predict", "smal", dev30, "-o", "out"],
        ["models", "smal"],
    ):
        call(*arguments).failed("smal: no such model", "Bundled: small")


def test_a_file_or_an_empty_folder_for_a_model(call: Run, tmp_path: Path) -> None:
    call("models", LIGHTHOUSE).failed("a file; expected a model directory")
    call("models", tmp_path).failed("no model.onnx", "found nothing")


@pytest.mark.parametrize("device", ["cuda", "tpu", ""])
def test_devices_that_are_not_here(call: Run, device: str) -> None:
    result = call("ask", WHO, "--context", NORSE, "--device", device)
    if result.code:  # with a GPU, "cuda" answers
        result.failed(f"device {device!r} is not available", "Use 'cpu'")
    else:
        assert device == "cuda"


def test_more_quotes_than_the_model_keeps(call: Run) -> None:
    call("ask", WHO, "--context", NORSE, "--top-k", 500).failed("500", "expected 1 to 20")


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("pyarrow", ["data", "convert", "d.json", "d.parquet"], "parquet"),
        ("huggingface_hub", ["models", "owner/name"], "hub"),
        ("onnxscript", ["export", "small", "-o", "out"], "export"),
    ],
)
def test_a_missing_extra_names_itself(
    run: Run, tmp_path: Path, missing: str, arguments: list[str], extra: str
) -> None:
    content = squad(question("1", WHO), context=NORSE)
    Path(tmp_path, "d.json").write_text(json.dumps(content), encoding="utf-8")
    python = f"import sys; sys.modules[{missing!r}] = None; from pullquote.cli import main; main()"
    run(*arguments, python=python).failed(f'Run: pip install "pullquote[{extra}]"')


def test_an_onnx_file_alone_needs_the_extra(run: Run, model_dir: Path) -> None:
    python = "import sys; sys.modules['onnxruntime'] = None; from pullquote.cli import main; main()"
    failed = run("ask", WHO, "--context", NORSE, "--model", model_dir, python=python)
    failed.failed("onnxruntime, which reads", "model.onnx", 'pip install "pullquote[onnx]"')


# ---- data and predictions


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("d.json", None, ["no such file"]),
        ("d.json", b"", ["not JSON"]),
        ("d.json", b"{", ["not JSON"]),
        ("d.json", b"[" * 100_000, ["not JSON"]),
        ("d.json", b"{}", ['expected an object with a "data" list']),
        ("d.json", b'{"question": "Who?"}\n{"question": "Why?"}', ["not JSON", "jsonl"]),
        ("d.json", b'{"version": "v2.0", "data": {}}', ["not SQuAD"]),
        ("d.json", b'{"data": []}', ["holds no questions"]),
        ("d.json", b'{"data": [1, 2]}', ["none of its questions can be used"]),
        ("d.json", b"\xff\xfe{", ["not UTF-8"]),
        ("d.json", bytes(range(256)), ["not UTF-8"]),
        ("d.json.gz", gzip.compress(b'{"data": []}', mtime=0)[:-9], ["broken gzip"]),
        ("d.jsonl", b"\n\n", ["holds no questions"]),
        ("d.csv", b"", ["empty"]),
        ("d.csv", b"question,context\nWho?,a\0b\n", ["NUL byte in line 2"]),
        ("d.csv", f"{HEADER}\n".encode(), ["holds no questions"]),
        ("d.parquet", b"PAR1", ["not readable as Parquet"]),
        ("d.txt", b"text", ["unknown kind of file 'd.txt'"]),
    ],
)
def test_data_files_that_are_none(
    call: Run, tmp_path: Path, name: str, content: bytes | None, words: list[str]
) -> None:
    if content is not None:
        Path(tmp_path, name).write_bytes(content)
    Path(tmp_path, "p.json").write_text('{"1": ""}')
    call("evaluate", "small", name).failed(f"{name}: ", *words)
    call("predict", "small", name, "-o", "out").failed(f"{name}: ", *words)
    call("score", name, "p.json").failed(f"{name}: ", *words)
    call("data", "convert", name, "to.jsonl").failed(f"{name}: ", *words)
    if "holds no questions" not in words:
        call("data", "check", name).failed(f"{name}: ", *words)
    assert not Path(tmp_path, "to.jsonl").exists()
    assert list(Path(tmp_path).glob("out/*")) == []


def test_a_folder_for_data(call: Run, tmp_path: Path) -> None:
    (tmp_path / "d.json").mkdir()
    call("data", "check", "d.json").failed("d.json: a folder, expected a data file")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (question("2", "Who?", ("Rollo", 17)), "expected 'Rollo', which stands at 18"),
        (question("2", "Who?", ("Rolf", 18)), "which is nowhere in the context"),
        (question("1", "Who?"), "duplicate id, kept at article 1, paragraph 1, question 1"),
        (question("2", "Who \ud800?"), "question has a lone surrogate, U+D800 at 4"),
        ({"id": "2"}, "no question"),
        ("text", "expected an object"),
    ],
)
def test_what_must_be_dropped_is_named_and_the_rest_is_used(
    call: Run, tmp_path: Path, bad: Any, words: str
) -> None:
    content = squad(question("1", WHO, ("Rollo", 18)), bad, context=NORSE)
    Path(tmp_path, "d.json").write_text(json.dumps(content), encoding="utf-8")
    summary = "d.json: 1 question (0 unanswerable), 1 dropped"

    result = call("evaluate", "small", "d.json", "--json")
    assert (result.code, result.json["total"], result.json["dropped"]) == (0, 1, 1)
    first, second = result.err.splitlines()
    assert first == f"pullquote: note: {summary}"
    assert words in second

    checked = call("data", "check", "d.json")
    assert checked.code == 1
    assert checked.out.splitlines() == [summary, second]

    content = squad(bad, question("2", "\ud800"), context=NORSE)
    Path(tmp_path, "d.json").write_text(json.dumps(content), encoding="utf-8")
    if bad != question("1", "Who?"):  # nothing is left
        call("evaluate", "small", "d.json").failed("none of its questions can be used", words)


def test_a_long_list_of_what_was_dropped_is_cut_but_not_by_check(call: Run, tmp_path: Path) -> None:
    bad = [question(str(n), WHO, ("Rollo", 0)) for n in range(50)]
    content = squad(question("good", WHO), *bad, context=NORSE)
    Path(tmp_path, "d.json").write_text(json.dumps(content), encoding="utf-8")
    result = call("data", "convert", "d.json", "d.csv")
    assert result.out == "d.csv: 1 question\n"
    assert len(result.err.splitlines()) == 22
    assert result.err.endswith("  and 30 more: pullquote data check d.json\n")
    assert len(call("data", "check", "d.json").out.splitlines()) == 51


def test_control_characters_in_data_do_not_reach_the_terminal(call: Run, tmp_path: Path) -> None:
    bad = question("\x1b[31m\x07", "Who?", ("\x1b]0;x\x07", 0))
    content = squad(question("1\x1b", WHO), bad, context=NORSE)
    Path(tmp_path, "d.json").write_text(json.dumps(content), encoding="utf-8")
    Path(tmp_path, "p.json").write_text(json.dumps({"\x1b[1m": "x", "1\x1b": "\x1b"}))
    for arguments in (
        ["data", "check", "d.json"],
        ["evaluate", "small", "d.json"],
        ["score", "d.json", "p.json"],
    ):
        result = call(*arguments)
        assert result.code == (arguments[0] == "data")
        assert not set(result.out + result.err) & set("\x1b\x07"), arguments


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["no such file"]),
        ("{", ["not JSON"]),
        ("[]", ["expected an object"]),
        ('{"1": 2}', ["expected a string"]),
        ('{"1": "a", "1": "b"}', ["occurs twice"]),
        ('{"other": "a"}', ["none of the 1 questions", "same ids"]),
    ],
)
def test_predictions_that_are_none(
    call: Run, tmp_path: Path, content: str | None, words: list[str]
) -> None:
    data = squad(question("1", WHO), context=NORSE)
    Path(tmp_path, "d.json").write_text(json.dumps(data), encoding="utf-8")
    if content is not None:
        Path(tmp_path, "p.json").write_text(content)
    call("score", "d.json", "p.json").failed(*words)


# ---- output


@needs_proc
@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "small", "{data}", "-o", "/proc/pullquote"],
        ["evaluate", "small", "{data}", "-o", "/proc/pullquote.json"],
        ["evaluate", "small", "{data}", "--report", "/proc/pullquote"],
        ["compare", "small", "tiny", "{data}", "-o", "/proc/pullquote.json"],
        ["score", "{data}", "{predictions}", "-o", "/proc/pullquote.json"],
        ["data", "convert", "{data}", "/proc/pullquote.jsonl"],
        ["data", "squad2", "/proc/pullquote"],
    ],
)
def test_a_place_that_is_read_only(
    call: Run, tmp_path: Path, dev30: Path, arguments: list[str]
) -> None:
    first = json.loads(dev30.read_text())["data"][0]["paragraphs"][0]["qas"][0]["id"]
    Path(tmp_path, "p.json").write_text(json.dumps({first: ""}))
    filled = [a.format(data=dev30, predictions="p.json") for a in arguments]
    result = call(*filled)
    assert result.err.splitlines()[-1].startswith("pullquote: error: /proc/pullquote")
    assert "cannot be written" in result.err
    assert "choose another place" in result.err
    assert (result.code, result.out) == (1, "")


@needs_proc
def test_an_unwritable_place_is_found_before_the_work(
    call: Run, dev30: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        pytest.fail("the model was loaded first")

    monkeypatch.setattr("pullquote.reading.reader.open_model", read)
    call("predict", "small", dev30, "-o", "/proc/x").failed("/proc/x")
    call("evaluate", "small", dev30, "-o", "/proc/x").failed("/proc/x")
    call("evaluate", "small", dev30, "--report", "/proc/x").failed("/proc/x")
    call("compare", "small", "tiny", dev30, "-o", "/proc/x").failed("/proc/x")


def test_a_file_where_a_folder_should_be(call: Run, tmp_path: Path, dev30: Path) -> None:
    Path(tmp_path, "out").write_text("mine")
    call("predict", "small", dev30, "-o", "out").failed("out: a file; expected a folder")
    call("evaluate", "tiny", dev30, "--report", "out").failed("out: a file; expected a folder")
    call("data", "convert", dev30, "out/d.csv").failed("out/d.csv: cannot be written")
    assert Path(tmp_path, "out").read_text() == "mine"
    (tmp_path / "folder").mkdir()
    call("score", dev30, "p.json", "-o", "folder").failed("folder: a folder; expected the name")
    evaluate = ["evaluate", "small", dev30, "-o", "folder"]
    call(*evaluate).failed("folder: a folder; expected the name")


def little_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # of bytes in a file


def test_a_full_disk_loses_nothing(run: Run, tmp_path: Path, dev30: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "predictions.json").write_text("old")
    Path(tmp_path, "d.jsonl").write_text("old")
    for arguments in (
        ["predict", "small", dev30, "-o", "out"],
        ["data", "convert", dev30, "d.jsonl"],
    ):
        run(*arguments, preexec_fn=little_disk).failed("cannot be written (File too large)", "room")
    assert (out / "predictions.json").read_text() == "old"
    assert (tmp_path / "d.jsonl").read_text() == "old"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        *("d.jsonl", "out", "predictions.json")
    ]


@needs_full_device
@pytest.mark.parametrize(
    "arguments", [["--help"], ["models"], ["ask", WHO, "--context", NORSE], ["ask", "-h"]]
)
def test_standard_output_on_a_full_disk(run: Run, arguments: list[str]) -> None:
    with open(FULL, "w") as full:
        run(*arguments, stdout=full).failed("standard output", "No space left on device")


@needs_full_device
def test_devices_are_written_and_stay_devices(call: Run, dev30: Path, tmp_path: Path) -> None:
    first = json.loads(dev30.read_text())["data"][0]["paragraphs"][0]["qas"][0]["id"]
    Path(tmp_path, "p.json").write_text(json.dumps({first: "x"}))
    before = Path("/dev/null").stat()
    assert call("score", dev30, "p.json", "-o", "/dev/null").code == 0
    assert call("evaluate", "small", dev30, "-o", "/dev/null").code == 0
    assert Path("/dev/null").stat().st_rdev == before.st_rdev != 0
