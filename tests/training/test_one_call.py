"""recipes/one_call.py in small: a teacher, its labels, and both students, who answer."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from pullquote import Reader
from pullquote.data import load, save
from pullquote.training.labels import Labels

ROOT = Path(__file__).parent.parent.parent
RECIPE = ROOT / "recipes" / "one_call.py"
ASKED = ROOT / "datasets" / "asked"


def call(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, RECIPE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_rehearsal_leaves_labels_and_students(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    asked, tune = (load(ASKED / f"{name}.json.gz").examples for name in ("train", "tune"))
    save(asked[:200], data / "train.json.gz")
    save(asked[200:260], data / "gold-more.json.gz")
    # answers are the teacher's
    save([replace(example, answers=()) for example in asked[260:320]], data / "rough-more.json.gz")
    save(tune[:60], data / "tune.json.gz")

    shapes = ("--teacher", "L2-H128", "--student", "L2-H128")
    said = call("run", "--rehearse", "--data", data, *shapes, "--minutes", 0.1, "--out", out)
    for stage in ("teacher", "small", "tiny"):
        assert f" {stage}: " in said
    assert "failed" not in said
    labels = Labels.load(out / "labels.npz")
    assert len(labels) > 100
    assert np.isfinite(labels.null).all()
    assert max(path.stat().st_size for path in out.iterdir() if path.is_file()) < 2**24

    call("join", out, tmp_path / "runs")
    for name in ("small", "tiny"):
        reader = Reader(tmp_path / "runs" / name)
        prediction = reader.answer(asked[0].question, asked[0].context)
        assert prediction.answers[0].text in asked[0].context
        assert reader.config.threshold_fitted_on
