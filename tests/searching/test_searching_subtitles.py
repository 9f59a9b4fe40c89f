"""Subtitles."""

from __future__ import annotations

from pathlib import Path

import pytest
from searching_helpers import text_and_notes

from pullquote.errors import DocumentError
from pullquote.searching.documents import SourceFile, find, read

SRT = """\
1
00:00:01,000 --> 00:00:03,000
The mill was built

2
00:00:03,100 --> 00:00:05,000
in <i>1641</i>.
{\\an8}- By whom?

3
00:00:09,000 --> 00:00:11,000
1641
"""


def srt(tmp_path: Path, text: str, name: str = "a.srt") -> str:
    (tmp_path / name).write_text(text)
    return text_and_notes(tmp_path / name)[0]


def test_what_is_said_is_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(("\ufeff" + SRT.replace("\n", "\r\n")).encode())
    assert text_and_notes(path) == ("The mill was built\nin 1641. - By whom?\n1641", [])
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    (passage,) = read(file)
    places = [passage.place(passage.text.index(word)) for word in ("The", "in 1", "- By", "\n1641")]
    assert [place.number for place in places[:3]] == [3, 7, 8]
    assert passage.place(len(passage.text) - 1).number == 12


def test_web_vtt(tmp_path: Path) -> None:
    text = (
        "WEBVTT - A film\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE not said\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start position:0%\n"
        "<v Ann Lee>Tom &amp; <c.loud>Omar</c><00:01.700> left.\n\n"
        "01:00:03.000 --> 01:00:04.000\n<v.first Omar>No.</v>\n"
    )
    assert srt(tmp_path, text, "a.vtt") == "Ann Lee: Tom & Omar left.\nOmar: No."


def test_what_live_captions_repeat_is_read_once(tmp_path: Path) -> None:
    cues = [("the mill", "was built"), ("was built", "in 1641"), ("in 1641",)]
    text = "".join(
        f"00:00:0{n}.000 --> 00:00:0{n + 1}.000\n{chr(10).join(cue)}\n\n"
        for n, cue in enumerate(cues)
    )
    assert srt(tmp_path, f"WEBVTT\n\n{text}", "a.vtt") == "the mill was built\nin 1641"


def test_a_number_may_follow_without_an_empty_line(tmp_path: Path) -> None:
    text = SRT.replace("built\n\n2", "built\n2")
    assert srt(tmp_path, text) == "The mill was built\nin 1641. - By whom?\n1641"
    empty = "1\n0:00:01,0 --> 0:00:02,0\n\n2\n0:00:03,0 --> 0:00:04,0\nYes.\n"
    assert srt(tmp_path, empty) == "Yes."


def test_sentences_over_several_cues_stay_together(tmp_path: Path) -> None:
    cue = "00:00:0{0}.000 --> 00:00:0{0}.900\n{1}\n\n"
    filler = "Long ago. " * 118
    text = cue.format(1, filler) + cue.format(2, "The mill") + cue.format(3, "burned down.")
    assert srt(tmp_path, text).split("\n")[-2:] == ["The mill", "burned down."]
    (file,) = find([tmp_path / "a.srt"])
    assert isinstance(file, SourceFile)
    assert [p.text for p in read(file)][-1] == "The mill\nburned down."


def test_a_file_without_cues_says_so(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no subtitles in it"):
        srt(tmp_path, "Just text.")


def test_other_encodings_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_bytes(SRT.replace("By whom", "Café für £840").encode("cp1252"))
    text, notes = text_and_notes(tmp_path / "a.srt")
    assert "Café für £840" in text
    assert notes == ["read as Windows-1252"]
