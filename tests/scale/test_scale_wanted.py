"""Files of questions for a table: what they may say, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pullquote.errors import ConfigError, MissingExtraError
from pullquote.scale.wanted import Wanted, read_wanted


def read(tmp_path: Path, text: str) -> tuple[Wanted, ...]:
    (tmp_path / "q.toml").write_text(text, encoding="utf-8")
    return read_wanted(tmp_path / "q.toml")


def test_names_wordings_and_kinds(tmp_path: Path) -> None:
    text = """
[[question]]
name = "rent  due"
ask = ["When is it due?", " When is it due? ", "When must one pay?"]
kind = "date"
[[question]]
name = "pets"
ask = "Are dogs allowed?"
"""
    first, second = read(tmp_path, text)
    assert first == Wanted("rent due", ("When is it due?", "When must one pay?"), "date")
    assert second == Wanted("pets", ("Are dogs allowed?",))
    assert second.columns() == ("pets", "pets quote", "pets place", "pets score", "pets note")


A = '[[question]]\nname = "a"\nask = "Who?"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[question", "q.toml: not TOML"),
        ("[" * 100_000, "q.toml: not TOML"),
        ("", "no questions; expected some, each with"),
        ("question = []", "no questions"),
        ('question = "Who?"', "no questions"),
        ("question = [3]", "question 1 is 3, expected"),
        (f"{A}[other]", "unknown key 'other'"),
        (f'{A}wording = "x"', "question 1: unknown key 'wording'; expected name, ask, kind"),
        ('[[question]]\nask = "Who?"', "question 1: name is None"),
        ('[[question]]\nname = " "\nask = "Who?"', "question 1: name is ' '"),
        ('[[question]]\nname = "a"', r"question 1 \(a\): no wordings"),
        ('[[question]]\nname = "a"\nask = []', r"question 1 \(a\): no wordings"),
        ('[[question]]\nname = "a"\nask = ["Who?", " "]', "a wording is ' '"),
        ('[[question]]\nname = "a"\nask = [3]', "a wording is 3"),
        (f'{A}kind = "number"', "kind is 'number', expected text, date, amount, yes/no"),
        (f"{A}kind = [1]", r"kind is \[1\], expected"),
        (A + A, "'a' would be a second column 'a', which question 'a' has"),
        (A + A.replace('"a"', '"A"'), "'A' would be a second column 'A'"),
        (A + A.replace('"a"', '"a quote"'), "second column 'a quote', which question 'a'"),
        (A.replace('"a"', '"Document"'), "second column 'Document', which the table has"),
        (A.replace('"a"', '"error"'), "second column 'error'"),
        (A * 1001, "1,001 questions, expected at most 1,000"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        read_wanted(tmp_path / "nothing.toml")


def test_the_extra_of_fill_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "q.toml").write_text("")
    for library in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=r"pullquote\[fill\]"):
        read_wanted(tmp_path / "q.toml")
