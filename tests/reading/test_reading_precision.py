"""In which precision a reader reads a checkpoint, and what it says about that."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from pullquote import QuestionAnsweringPipeline, Reader
from pullquote.checkpoints.bundled import BUNDLED
from pullquote.errors import PullquoteWarning
from pullquote.reading.backends import native_library, rounding

pytestmark = pytest.mark.skipif(
    not native_library.available(), reason="no engine here, and numpy reads in fp32: make engine"
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A BERT-like checkpoint: `tiny` without its packed weights."""
    path = tmp_path / "checkpoint"
    shutil.copytree(BUNDLED / "tiny", path, ignore=shutil.ignore_patterns("packed.safetensors"))
    return path


@pytest.mark.packed
def test_a_reader_rounds_a_checkpoint_and_says_what_that_changes(checkpoint: Path) -> None:
    with pytest.warns(PullquoteWarning, match=r"checkpoint: read in int8; on sample") as noted:
        reader = Reader(checkpoint)
    (note,) = noted
    assert note.filename == __file__
    found = re.search(r"by (\d\.\d+) \(median\), at most by (\d\.\d+)", str(note.message))
    assert found
    exact = Reader(checkpoint, precision="fp32")
    gaps = []
    for sample in rounding._SAMPLES:
        batch = reader.encoder.batch(list(reader.encoder.windows(*sample)))
        one, other = reader.backend(batch), exact.backend(batch)
        gaps += [np.abs(one.start - other.start), np.abs(one.end - other.end)]
    gaps = np.concatenate(gaps, axis=None)
    assert float(found[1]) == pytest.approx(np.median(gaps), rel=0.05)
    assert float(found[2]) == pytest.approx(gaps.max(), rel=0.05)
    assert 0 < float(found[1]) < float(found[2]) < 1


@pytest.mark.packed
def test_only_auto_measures(checkpoint: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Reader(checkpoint, precision="int8").backend.precision == "int8"
        assert Reader(checkpoint, precision="fp32").backend.precision == "fp32"
        assert Reader("tiny").backend.precision == "int8"  # packed weights were made for it


@pytest.mark.packed
def test_the_pipeline_reads_a_checkpoint_in_fp32(checkpoint: Path) -> None:
    assert QuestionAnsweringPipeline(checkpoint).backend.precision == "fp32"
    assert QuestionAnsweringPipeline("tiny").backend.precision == "int8"
