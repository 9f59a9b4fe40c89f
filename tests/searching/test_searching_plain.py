"""Plain texts and indexes are told from other files without loading what reads those."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pullquote.searching.documents import TEXT, kind_of
from pullquote.searching.plain import is_plain

LIGHTHOUSE = Path(__file__).parent.parent.parent / "examples" / "lighthouse.txt"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        *(
            ("a.txt", True),
            ("A.RST", True),
            ("a.md", False),
            ("folder/README", True),
            ("a.b.log", True),
        ),
        *(
            ("a.txt.gz", False),
            ("readme", False),
            ("a.pdf", False),
            ("txt", False),
            (".txt", False),
        ),
    ],
)
def test_names_of_plain_texts(name: str, plain: bool) -> None:
    assert is_plain(name) is plain
    assert (kind_of(name) is TEXT) is plain


@pytest.mark.packed  # which need no onnxruntime
def test_asking_a_plain_text_loads_nothing_of_the_search() -> None:
    code = f"""
import sys
from pullquote.cli import main
sys.argv = ["pullquote", "ask", "Who led?", {str(LIGHTHOUSE)!r}, "--model", "tiny"]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "pullquote.searching.plain" in loaded
    heavy = {"pullquote.searching.documents", "pullquote.searching.index", "sqlite3", "zipfile"}
    assert not loaded & (heavy | {"tempfile", "hashlib", "onnxruntime", "torch"})
