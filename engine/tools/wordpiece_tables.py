"""Writes engine/src/wordpiece_tables.h: what BERT's normaliser and pre-tokenizer do, by code point.

    python engine/tools/wordpiece_tables.py            # half a minute
    python engine/tools/wordpiece_tables.py --check    # exit code 1 if the file is another

The tables are those of the `tokenizers` package that is installed: it is asked about every code
point below `LIMIT`, one step of the normaliser at a time. Its versions differ where Unicode grows:
code points that were not assigned in Unicode 14 are left to the package. Run it with Python 3.11,
which has that version. Rebuild the engine afterwards.
"""

# ruff: noqa: T201

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

HEADER = Path(__file__).parents[1] / "src" / "wordpiece_tables.h"
LIMIT = 0x32000  # the planes above hold no letters
HANGUL = range(0xAC00, 0xD7A4)  # syllables, which C++ decomposes by arithmetic
SURROGATES = range(0xD800, 0xE000)
CODE_POINTS = [point for point in range(LIMIT) if point not in SURROGATES]


def step(name: str) -> Callable[[str], str]:
    """The normaliser with one step alone."""
    names = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return BertNormalizer(**{other: other == name for other in names}).normalize_str


def changes(name: str) -> dict[int, str]:
    """The code points that a step changes, and what they become."""
    normalize = step(name)
    return {point: made for point in CODE_POINTS if (made := normalize(chr(point))) != chr(point)}


def pieces(point: int) -> int:
    """1 for a part of a word, 2 for a blank between words, 3 for punctuation."""
    return len(BertPreTokenizer().pre_tokenize_str(f"a{chr(point)}a"))


def reordered(text: str) -> bool:
    """Whether a normal form may move a code point past others: what the tables do not hold."""
    return any(unicodedata.combining(character) for character in text)


def ranges(points: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending code points as half-open ranges."""
    start = end = None
    for point in points:
        if point != end:
            if start is not None:
                yield start, end
            start = point
        end = point + 1
    if start is not None:
        yield start, end


def table(name: str, kind: str, rows: Iterable[tuple[int, ...]], comment: str) -> str:
    cells = ["{" + ", ".join(f"0x{value:x}" for value in row) + "}" for row in rows]
    lines, line = [], ""
    for cell in cells:
        if len(line) + len(cell) > 96:
            lines.append(line)
            line = ""
        line += f" {cell},"
    lines.append(line)
    body = "\n".join(f" {line}" for line in lines)
    return f"// {comment}\nconstexpr {kind} {name}[] = {{\n{body}\n}};\n"


def header() -> str:
    cleaned, stripped = changes("clean_text"), changes("strip_accents")
    chinese, lower = changes("handle_chinese_chars"), changes("lowercase")
    kinds = {point: pieces(point) for point in CODE_POINTS}
    bases = {point: made for point, made in stripped.items() if made and point not in HANGUL}
    moved = [point for point in CODE_POINTS if reordered(stripped.get(point, chr(point)))]
    unassigned = [point for point in CODE_POINTS if unicodedata.category(chr(point)) == "Cn"]
    assert unicodedata.unidata_version == "14.0.0", "run this with Python 3.11"
    assert set(cleaned.values()) == {"", " "}
    assert all(made == f" {chr(point)} " for point, made in chinese.items())
    assert max(len(made) for made in stripped.values()) <= 3
    assert max(len(made) for made in lower.values()) <= 2
    assert all(len(step("lowercase")(made)) <= 3 for made in stripped.values())

    def mapped(made: dict[int, str], size: int) -> list[tuple[int, ...]]:
        return [
            (point, *(ord(c) for c in text), *[0] * (size - len(text)))
            for point, text in made.items()
        ]

    def of(name: str, points: Iterable[int], comment: str) -> str:
        return table(name, "Range", ranges(points), comment)

    parts = [
        "// Written by engine/tools/wordpiece_tables.py. Do not edit.\n#pragma once\n",
        "#include <cstdint>\n\nnamespace pq::tables {\n",
        "struct Range {\n  uint32_t first, end;  // half open\n};\n",
        "struct Change {\n  uint32_t from, to[3];  // filled with zeros\n};\n",
        f"constexpr uint32_t LIMIT = 0x{LIMIT:x};  // the tables end here\n",
        of("DROPPED", [p for p, t in cleaned.items() if not t], "clean_text removes these,"),
        of("BLANKS", [p for p, t in cleaned.items() if t], "and makes these a blank."),
        of("CHINESE", chinese, "handle_chinese_chars puts blanks around these."),
        of("MARKS", [p for p, t in stripped.items() if not t], "strip_accents removes these,"),
        table("BASES", "Change", mapped(bases, 3), "and makes others of these."),
        table("LOWER", "Change", mapped(lower, 3), "lowercase"),
        of("SPACES", [p for p, n in kinds.items() if n == 2], "Words end before these,"),
        of("PUNCTUATION", [p for p, n in kinds.items() if n == 3], "and these are words alone."),
        of(
            "MOVED",
            moved,
            "strip_accents may put these in another order: texts are left to tokenizers,",
        ),
        of("UNASSIGNED", unassigned, "as they are with these, whichever steps there are."),
        "}  // namespace pq::tables\n",
    ]
    return "\n".join(parts)


def main() -> int:
    text = header()
    if "--check" in sys.argv[1:]:
        same = HEADER.is_file() and HEADER.read_text(encoding="utf-8") == text
        print(f"{HEADER}: {'as the installed tokenizers has it' if same else 'another'}")
        return 0 if same else 1
    HEADER.write_text(text, encoding="utf-8")
    print(f"{HEADER}: {len(text):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
