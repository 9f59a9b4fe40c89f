"""Two models side by side, or what they left in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_helpers import Run

from pullquote.cli.console import decision_words
from pullquote.settings import Decision


def test_compare_has_the_scores_that_evaluate_has(call: Run, dev60: Path, tmp_path: Path) -> None:
    found = call("compare", "tiny", "small", dev60, "--json", "-o", "c.json").succeeded().json
    assert json.loads((tmp_path / "c.json").read_text()) == found
    for side, model in (("a", "tiny"), ("b", "small")):
        alone = call("evaluate", model, dev60, "--json").succeeded().json
        for key, estimate in found[f"scores_{side}"].items():
            assert estimate["value"] == pytest.approx(alone[key]), (model, key)
    for key, estimate in found["difference"].items():
        a, b = (found[f"scores_{side}"][key]["value"] for side in ("a", "b"))
        assert estimate["value"] == pytest.approx(b - a)
        assert estimate["low"] <= estimate["value"] <= estimate["high"]
    only_a, only_b = found["only_a_right"], found["only_b_right"]
    assert found["both_right"] + found["both_wrong"] + len(only_a) + len(only_b) == 60
    exact = found["scores_b"]["exact"]["value"] * 60 / 100
    assert found["both_right"] + len(only_b) == pytest.approx(exact)


def test_the_table_of_compare_shows_what_the_json_holds(call: Run, dev60: Path) -> None:
    found = call("compare", "tiny", "small", dev60, "--json").succeeded().json
    out = call("compare", "tiny", "small", dev60, "--show", 2).succeeded().out
    lines = out.splitlines()
    for line, name, side in ((lines[0], "A: tiny", "a"), (lines[1], "B: small", "b")):
        settings = found[f"settings_{side}"]
        assert settings["spelling"] is True
        words = decision_words(Decision(settings["answerable"], settings["threshold"]))
        assert line == f"{name} ({words}, spelling corrected)"
    f1 = next(line for line in lines if line.startswith("F1 ")).split()
    a, b, d = (found[key]["f1"] for key in ("scores_a", "scores_b", "difference"))
    assert f1[1:4] == [f"{a['value']:.2f}", f"{b['value']:.2f}", f"{d['value']:+.2f}"]
    assert f1[4:] == [f"{d['low']:+.2f}", "to", f"{d['high']:+.2f}"]
    assert found["verdict"] in lines
    assert len(found["only_b_right"]) > 2  # or there is nothing to leave out
    assert f"only B is right, 2 of {len(found['only_b_right'])}:" in lines
    shown = lines[lines.index(f"only B is right, 2 of {len(found['only_b_right'])}:") + 1 :]
    assert len(shown) == 4
    assert shown[0].strip() in {" ".join(one["question"].split()) for one in found["only_b_right"]}
    assert "only B is right," not in call("compare", "tiny", "small", dev60, "--show", 0).out


def test_files_of_predictions_compare_as_their_models_do(
    call: Run, dev60: Path, tmp_path: Path
) -> None:
    models = call("compare", "tiny", "small", dev60, "--json").succeeded().json
    for name in ("tiny", "small"):
        call("predict", name, dev60, "-o", name).succeeded()
    tiny = "tiny/predictions.json"
    files = call("compare", "./" + tiny, "small", dev60, "--json").succeeded().json
    for key in ("scores_a", "scores_b", "difference", "only_a_right", "only_b_right"):
        assert files[key] == models[key]
    assert files["settings_a"] is None
    for option in ("--threshold-a", "--answerable-a"):
        result = call("compare", tiny, "small", dev60, option, "0.5")
        result.failed("tiny/predictions.json holds predictions", "for models", code=2)
    (tmp_path / "p.json").write_text('{"1": "x"}')
    call("compare", "p.json", "tiny", dev60).failed("p.json: 60 of 60 questions have no prediction")


def test_a_model_compared_with_itself_at_its_own_and_at_another_threshold(
    call: Run, dev60: Path
) -> None:
    same = call("compare", "tiny", "tiny", dev60).succeeded().out
    assert "There is no difference in F1." in same
    assert "only A 0, only B 0," in same
    found = call("compare", "tiny", "tiny", dev60, "--threshold-b", "-9999", "--json").json
    assert found["scores_b"]["NoAns_exact"]["value"] == 100.0
    assert found["scores_b"]["HasAns_exact"]["value"] == 0.0
    assert found["scores_a"]["HasAns_exact"]["value"] > 0.0


def test_shares_of_answerable_questions_and_spelling_are_those_of_evaluate(
    call: Run, dev60: Path
) -> None:
    options = ("--answerable-a", "100%", "--answerable-b", "20%", "--no-spelling")
    found = call("compare", "tiny", "tiny", dev60, *options, "--json").succeeded().json
    for side, share in (("a", 1.0), ("b", 0.2)):
        settings = {"answerable": share, "threshold": None, "spelling": False}
        assert found[f"settings_{side}"] == settings
        more = ("--answerable", share, "--no-spelling", "--json")
        alone = call("evaluate", "tiny", dev60, *more).succeeded().json
        assert found[f"scores_{side}"]["f1"]["value"] == pytest.approx(alone["f1"])
    assert found["scores_a"]["NoAns_f1"]["value"] == 0 < found["scores_b"]["NoAns_f1"]["value"]
    out = call("compare", "tiny", "tiny", dev60, *options).succeeded().out
    assert out.startswith("A: tiny (answerable 100 %, spelling as written)\n")
