"""The fuzz targets, some seconds of each: `make fuzz` runs them for an hour."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from run import NAMES

RUN = Path(__file__).parent / "run.py"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are those of Unix")
@pytest.mark.parametrize("name", NAMES)
def test_what_is_damaged_is_read_or_refused(name: str) -> None:
    cases = "40" if name == "indexes" else "200"  # which take longer
    done = subprocess.run(
        [sys.executable, RUN, "--target", name, "--cases", cases], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    # a target that refuses everything tests nothing, nor does one that damages nothing
    assert re.fullmatch(rf"{name}: [1-9]\d* read, [1-9]\d* refused\n", done.stdout)
