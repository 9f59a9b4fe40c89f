"""pullquote run-squad: run_squad.py's flags, files and numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_helpers import Run

from pullquote.checkpoints.bundled import BUNDLED

FLAGS = ["--model_name_or_path", "small", "--do_eval"]


def test_it_writes_the_files_of_run_squad(call: Run, tmp_path: Path, dev30: Path) -> None:
    result = call(
        *["run-squad", *FLAGS, "--version_2_with_negative", "--model_type", "bert"],
        *["--predict_file", dev30, "--output_dir", "out", "--do_lower_case", "--no_cuda"],
        *["--n_best_size", "5", "--per_gpu_eval_batch_size", "12", "--overwrite_output_dir"],
    ).succeeded()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"predictions_.json", "nbest_predictions_.json", "null_odds_.json"}
    predictions, nbest, odds = (
        json.loads((tmp_path / "out" / f"{name}_.json").read_text())
        for name in ("predictions", "nbest_predictions", "null_odds")
    )
    for id, text in predictions.items():
        assert (text == "") == (odds[id] > 0)
        entries = nbest[id]
        assert sum(entry["probability"] for entry in entries) == pytest.approx(1)
        assert list(entries[0]) == ["text", "probability", "start_logit", "end_logit"]
        assert "" in [entry["text"] for entry in entries]
        best = next(entry["text"] for entry in entries if entry["text"])
        assert text in ("", best)
    evaluated = call("evaluate", "small", dev30, "--threshold", "0", "--json").succeeded().json
    for key in ("exact", "f1", "total", "NoAns_f1"):
        assert f"'{key}': {evaluated[key]!r}" in result.out


def test_a_short_window_and_another_tokenizer(call: Run, tmp_path: Path, dev30: Path) -> None:
    flags = ["--max_seq_length", "180", "--tokenizer_name", BUNDLED / "small", "--no_cuda"]
    call(
        *["run-squad", *FLAGS, "--predict_file", dev30, "--output_dir", "out", *flags],
        *["--device", "cuda"],
    ).succeeded()
    nbest = json.loads((tmp_path / "out" / "nbest_predictions_.json").read_text())
    assert all("" not in [entry["text"] for entry in entries] for entries in nbest.values())


def test_without_negatives_every_question_is_answered(
    call: Run, tmp_path: Path, dev30: Path
) -> None:
    call("run-squad", *FLAGS, "--predict_file", dev30, "--output_dir", "out").succeeded()
    assert not (tmp_path / "out" / "null_odds_.json").exists()
    predictions = json.loads((tmp_path / "out" / "predictions_.json").read_text())
    assert all(predictions.values())


def test_the_official_name_is_looked_for_in_the_data_folder(call: Run, tmp_path: Path) -> None:
    flags = [*FLAGS, "--data_dir", tmp_path, "--output_dir", "out"]
    call("run-squad", *flags).failed("dev-v1.1.json: no such file")
    call("run-squad", *flags, "--version_2_with_negative").failed("dev-v2.0.json: no such file")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["give --do_train or --do_eval"]),
        (["--do_eval", "--learning_rat", "1"], ["No such option"]),
    ],
)
def test_what_cannot_be_done_is_said(call: Run, flags: list[str], words: list[str]) -> None:
    arguments = ["--model_name_or_path", "small", "--output_dir", "out", *flags]
    call("run-squad", *arguments).failed(*words, code=2)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--tokenizer_name", "/nowhere"], ["/nowhere: no such model"]),
        (["--max_seq_length", "600"], ["512 positions"]),
        (["--n_best_size", "0"], ["n_best_size is 0"]),
    ],
)
def test_settings_that_cannot_be(
    call: Run, dev30: Path, flags: list[str], words: list[str]
) -> None:
    arguments = [*FLAGS, "--predict_file", dev30, "--output_dir", "out", *flags]
    call("run-squad", *arguments).failed(*words)
