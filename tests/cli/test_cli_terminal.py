"""On a real terminal (a pty): highlighting, progress bars, Ctrl-C; plain through a pipe."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import ENVIRONMENT, LIGHTHOUSE, Run, question, squad

pty = pytest.importorskip("pty")
pytestmark = pytest.mark.alone

NORSE = "The Norse, led by Rollo, came by sea."
ASK = ("ask", "Who led the Norse?", "--context", NORSE, "--threshold", "9999")
SHOW_CURSOR = b"\x1b[?25h"
# Python dies of the signal, which a shell shows as 130, too, if compiled code was interrupted.
INTERRUPTED = (130, -signal.SIGINT)
# The command with no patience: bars show at once.
IMPATIENT = (
    "import pullquote.cli.console as console; console._PATIENCE = 0.0; "
    "from pullquote.cli import main; main()"
)


class Terminal:
    """A process whose three standard streams are a terminal."""

    def __init__(self, *arguments: object, python: str = "", **environment: str) -> None:
        self.shown = b""
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [
                sys.executable,
                *(["-c", python] if python else ["-m", "pullquote"]),
                *map(str, arguments),
            ],
            env={**ENVIRONMENT, "TERM": "xterm", **environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def wait(self, until: bytes = b"", seconds: float = 60) -> Terminal:
        """Read until the process ends, or until it has shown something."""
        deadline = time.monotonic() + seconds
        while not (until and until in self.shown):
            assert time.monotonic() < deadline, self.shown
            try:
                part = os.read(self._master, 65536)
            except OSError:  # EIO: the other side was closed
                part = b""
            self.shown += part
            if not part:
                os.close(self._master)
                self.process.wait(60)
                break
        return self

    @property
    def lines(self) -> list[bytes]:
        return self.shown.replace(b"\r\n", b"\n").splitlines()


def test_the_answer_is_highlighted_in_its_sentence() -> None:
    quote, sentence, place = Terminal(*ASK).wait().lines
    assert quote == b"\x1b[1mRollo\x1b[0m"
    assert sentence == b"  The Norse, led by \x1b[30m\x1b[43mRollo\x1b[0m, came by sea."
    assert place.startswith(b"  score 0.")


def test_how_to_get_more_answers_is_told_on_a_terminal_that_did_not_ask(run: Run) -> None:
    # as a model decides that does not expect an answer; --answerable itself needs no hint
    python = (
        "import pullquote.settings as s; usual = s.ReaderConfig.decision; "
        "s.ReaderConfig.decision = lambda *a: usual(*a) if any(a[1:]) else s.Decision(0.001); "
        "from pullquote.cli import main; main()"
    )
    ask = (*ASK[:-2],)
    lines = Terminal(*ask, python=python).wait().lines
    assert lines[0].startswith(b"\x1b[1mNo answer in this text (")
    assert lines[-1] == b"  --answerable 95% answers more often, 100% always"
    mill = LIGHTHOUSE.parent / "mill"
    folder = Terminal("ask", "Who is the mayor of Norrhavn?", mill, python=python).wait().lines
    assert folder[-1] == lines[-1]
    plain = run(*ask, python=python).succeeded().out
    assert plain.startswith("No answer in this text (")
    assert "--answerable" not in plain
    for more in (("--json",), ("--answerable", "0.1%"), ("--threshold", "-9999")):
        shown = Terminal(*ask, *more, python=python).wait().shown
        assert b"--answerable" not in shown
        assert b"Rollo" in shown


def test_no_colours_through_a_pipe_or_when_they_are_unwanted(run: Run) -> None:
    assert "\x1b" not in run(*ASK).succeeded().out
    assert b"\x1b" not in Terminal(*ASK, NO_COLOR="1").wait().shown
    assert b"\x1b" in Terminal(*ASK, NO_COLOR="").wait().shown


def test_no_text_at_a_terminal_is_wrong_usage() -> None:
    terminal = Terminal("ask", "Who led the Norse?").wait()
    assert terminal.process.returncode == 2
    (line,) = terminal.lines
    assert line.startswith(b"pullquote: error: no text: give a PATH")


def test_text_of_a_file_does_not_steer_the_terminal(tmp_path: Path) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text("Led by \x1b[31mRollo\x1b]0;owned\x07, \x9b5mthey came\x08.", encoding="utf-8")
    for more in ([], ["--json"], ["--top-k", "5"]):
        shown = Terminal("ask", "Who led?", bad, "--threshold", "9999", *more).wait().shown
        ours = re.compile(rb"\x1b\[(0|1|30|43)m|\r\n")  # plain, bold, black on yellow
        rest = ours.sub(b"", shown)
        assert not set(rest) & {0x1B, 0x07, 0x08, 0x0D}, rest
        assert "\x9b".encode() not in rest


# ---- progress


def test_nothing_moves_in_the_first_two_seconds() -> None:
    assert b"reading" not in Terminal(*ASK).wait().shown


def test_a_bar_shows_on_a_terminal_only(run: Run, tmp_path: Path) -> None:
    shown = Terminal(*ASK, python=IMPATIENT).wait().shown
    assert b"reading" in shown
    assert b"100%" in shown
    assert shown.index(SHOW_CURSOR) < shown.index(b"Rollo")
    result = run(*ASK, python=IMPATIENT).succeeded()
    assert result.out.startswith("Rollo\n")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_bars_of_the_long_commands(command: str, dev30: Path, tmp_path: Path) -> None:
    more = ["-o", str(tmp_path / "out")] if command == "predict" else []
    shown = Terminal(command, "small", dev30, *more, python=IMPATIENT).wait().shown
    assert b"reading dev30.json" in shown
    assert b"answering" in shown
    assert shown.count(SHOW_CURSOR) == 2


def test_a_bar_while_documents_are_read(tmp_path: Path) -> None:
    mill = LIGHTHOUSE.parent / "mill"
    shown = Terminal("index", mill, "-o", tmp_path / "i.db", python=IMPATIENT).wait().shown
    assert b"reading documents" in shown
    assert b"100%" in shown
    assert b"8 documents, 18 passages" in shown
    asked = Terminal("ask", "Who built the first mill?", tmp_path / "i.db").wait().shown
    assert b"\x1b[30m\x1b[43mHedda Kroon\x1b[0m" in asked


def test_a_bar_does_not_wait_for_the_first_step() -> None:
    python = """
import time
import pullquote.cli.console as console
console._PATIENCE = 0.05
with console.progress_bar("long") as update:
    time.sleep(0.5)
    print("asleep", flush=True)
    update(2, 8, "")
with console.progress_bar("short") as update:
    update(8, 8, "")
"""
    before, after = Terminal(python=python).wait().shown.split(b"asleep")
    assert b"long" in before
    assert b"  0%" in before
    assert b" 25%" in after
    assert after.count(SHOW_CURSOR) == 1
    assert b"short" not in after


def test_a_bar_ends_where_its_work_fails() -> None:
    python = """
import pullquote.cli.console as console
console._PATIENCE = 0.0
import time
with console.progress_bar("long") as update:
    time.sleep(0.3)
    raise SystemExit(3)
"""
    terminal = Terminal(python=python).wait()
    assert terminal.process.returncode == 3
    assert terminal.shown.endswith(SHOW_CURSOR + b"\r\n")


# ---- Ctrl-C, and a reader who has seen enough


@pytest.fixture
def long_data(tmp_path: Path) -> Path:
    """Minutes of questions."""
    text = LIGHTHOUSE.read_text(encoding="utf-8")
    questions = [question(str(n), f"Who built tower {n}?") for n in range(3000)]
    path = tmp_path / "long.json"
    path.write_text(json.dumps(squad(*questions, context=text)), encoding="utf-8")
    return path


def test_ctrl_c_while_answering_leaves_no_file(long_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    terminal = Terminal("predict", "small", long_data, "-o", out, python=IMPATIENT)
    terminal.wait(until=b"answering")
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait()
    assert terminal.process.returncode in INTERRUPTED
    # a bar that was just being made is taken away at the very end of the process
    said = [line for line in terminal.lines if line not in (b"", SHOW_CURSOR)]
    assert said[-1] == b"pullquote: interrupted"
    assert terminal.shown.count(b"\x1b[?25l") > 0
    assert terminal.shown.rindex(SHOW_CURSOR) > terminal.shown.rindex(b"\x1b[?25l")
    assert b"Traceback" not in terminal.shown
    assert list(out.iterdir()) == []


def test_ctrl_c_without_a_terminal(long_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "pullquote", "predict", "small", long_data, "-o", out],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not out.exists() and time.monotonic() < deadline:  # the model is loaded next
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode in INTERRUPTED
    assert (stdout, stderr.strip()) == ("", "pullquote: interrupted")
    assert list(out.iterdir()) == []


def test_ctrl_c_while_writing_keeps_the_old_file(
    call: Run, dev30: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dump(value: object, file: object, **_: object) -> None:
        file.write("{half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.json").write_text("old")
    monkeypatch.setattr("pullquote.files.json.dump", dump)
    result = call("predict", "small", dev30, "-o", "out")
    assert (result.code, result.out, result.err.strip()) == (130, "", "pullquote: interrupted")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["predictions.json"]
    assert (tmp_path / "out" / "predictions.json").read_text() == "old"


def test_ctrl_c_while_a_compiled_module_loads(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:  # as pybind11 does
            raise ImportError("initialization failed") from error

    monkeypatch.setattr("pullquote.cli.models.bundled_models", load)
    result = call("models")
    assert (result.code, result.err.strip()) == (130, "pullquote: interrupted")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["data", "--help"], ["models"], [*ASK], [*ASK, "--json"]]
)
def test_a_reader_who_has_seen_enough(run: Run, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        run(*arguments, stdout=writing).succeeded()
    finally:
        os.close(writing)


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_the_first_line_is_the_answer() -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'set -o pipefail; "{sys.executable}" -m pullquote "$@" | head -1',
            "-",
            *ASK,
        ],
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Rollo\n", b"")
