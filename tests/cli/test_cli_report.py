"""evaluate's two lines on trust, and its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_helpers import Run

from pullquote.scoring.report import FILES


def test_evaluate_says_how_far_the_scores_can_be_trusted(call: Run, dev60: Path) -> None:
    found = call("evaluate", "tiny", dev60, "--json").succeeded().json
    assert set(found["trust"]) == {"decisions", "quotes", "no answer"}
    trust = found["trust"]["decisions"]
    assert set(trust) == {"ece", "macro_ce", "brier", "aurc", "coverage"}
    assert set(trust["coverage"]) == {"0.8", "0.9", "0.95"}
    lines = call("evaluate", "tiny", dev60).succeeded().out.splitlines()
    (error,) = [line for line in lines if "(ECE)" in line]
    assert f"{100 * trust['ece']:.1f} %" in error
    (reach,) = [line for line in lines if "the most confident first" in line]
    for accuracy, share in trust["coverage"].items():
        assert f"{100 * float(accuracy):.0f} % right on {100 * share:.1f} %" in reach


def test_evaluate_has_the_official_average_precisions(
    call: Run, dev60: Path, tmp_path: Path
) -> None:
    found = call("evaluate", "tiny", dev60, "--json").succeeded().json
    assert 0 < found["pr_exact_ap"] <= found["pr_f1_ap"] <= found["pr_oracle_ap"] <= 100


def test_a_report_changes_no_score_and_is_named(call: Run, dev60: Path, tmp_path: Path) -> None:
    plain = call("evaluate", "tiny", dev60, "--json").succeeded().json
    told = call("evaluate", "tiny", dev60, "--report", "new/report", "-o", "s.json").succeeded()
    assert told.out.splitlines()[-1] == "report: new/report/index.html"
    # It asks for more quotes, which may take logits of the engine; their sums differ by rounding.
    texts = (json.dumps(plain), (tmp_path / "s.json").read_text())
    plain, scores = (json.loads(text, parse_float=lambda x: round(float(x), 9)) for text in texts)
    for timed in (plain, scores):
        del timed["seconds"]
    assert scores == plain
    folder = tmp_path / "new" / "report"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert f"{plain['f1']:.2f} <small>" in page
    assert f"Average precision {plain['pr_f1_ap']:.2f}" in page
    assert "tiny on dev60.json" in page


def test_a_report_says_what_decided(call: Run, dev30: Path, tmp_path: Path) -> None:
    found = call("evaluate", "tiny", dev30, "--json").succeeded().json
    share = 100 * found["HasAns_total"] / 30
    pages = []
    for option in (("--answerable", "90%"), ("--threshold", "-1.5")):
        call("evaluate", "tiny", dev30, "--report", "r", *option).succeeded()
        pages.append(" ".join((tmp_path / "r" / "index.html").read_text("utf-8").split()))
    by_share, by_threshold = pages
    assert "90 % of the questions are expected to have an answer." in by_share
    assert f"expect 90 % of the questions to have an answer; here it is {share:.0f} %" in by_share
    assert "null logit minus best span logit exceeds &minus;1.5." in by_threshold
    assert "90 %" not in by_threshold.partition("<h2")[0]


def test_with_json_a_report_prints_nothing_more(call: Run, dev30: Path, tmp_path: Path) -> None:
    assert (
        call("evaluate", "tiny", dev30, "--report", "r", "--json").succeeded().json["total"] == 30
    )
    assert (tmp_path / "r" / "index.html").exists()


@pytest.mark.usefixtures("no_matplotlib")
def test_a_report_without_matplotlib_fails_before_the_work(
    call: Run, dev30: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        pytest.fail("the model was loaded first")

    monkeypatch.setattr("pullquote.reading.reader.open_model", read)
    result = call("evaluate", "tiny", dev30, "--report", "r")
    result.failed('pip install "pullquote[report]"')
    assert not (tmp_path / "r").exists()
