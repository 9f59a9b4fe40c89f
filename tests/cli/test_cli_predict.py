"""`predict`, `score` and `evaluate` tell one story, and the official one."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Run, golden, question, squad

from pullquote import Reader
from pullquote.data import load

FILES = ["predictions.json", "nbest_predictions.json", "null_odds.json", "na_prob.json"]
HEADLINE = ["exact", "f1", "total", "avna"] + [
    f"{kind}_{name}" for kind in ("HasAns", "NoAns") for name in ("exact", "f1", "total")
]
BEST = ["best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"]


def read(*path: object) -> Any:
    return json.loads(Path(*map(str, path)).read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def reader() -> Reader:
    return Reader()


# ---- score


@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("plain", []),
        ("probabilities", ["--na-prob", "na_prob.json"]),
        ("threshold 0.4", ["-n", "na_prob.json", "-t", "0.4"]),
    ],
)
def test_score_gives_the_official_numbers(
    call: Run, dev60: Path, tmp_path: Path, key: str, more: list[str]
) -> None:
    content = golden()
    Path(tmp_path, "predictions.json").write_text(json.dumps(content["predictions"]))
    Path(tmp_path, "na_prob.json").write_text(json.dumps(content["no_answer_probabilities"]))
    result = call("score", dev60, "predictions.json", *more, "-o", "scores.json")
    assert result.code == 0
    scores = result.json
    assert read(tmp_path, "scores.json") == scores
    assert 0 < scores.pop("avna") <= 100
    assert scores == content["expected"][key]
    if more:
        (note,) = result.err.splitlines()
        assert note.startswith("pullquote: note: ")
        assert "predictions are already empty" in note
    else:
        assert result.err == ""


def test_score_says_what_was_left_out(call: Run, tmp_path: Path) -> None:
    data = squad(question("1", "Who?"), question("2", "Who?"), context="The Norse came.")
    Path(tmp_path, "d.json").write_text(json.dumps(data))
    Path(tmp_path, "p.json").write_text('{"1": "", "7": "Rollo"}')
    result = call("score", "d.json", "p.json")
    assert (result.code, result.json["total"], result.json["exact"]) == (0, 1, 100.0)
    assert result.err.splitlines() == [
        "pullquote: note: questions without a prediction, left out: 1 of 2 (first: '2')",
        "pullquote: note: predictions for questions that the data does not have, left out: 1 "
        "(first: '7')",
        "pullquote: note: d.json: none of its questions has an answer, and abstaining is always "
        "right; they are looked for in answers or answer_text",
    ]


# ---- predict


def test_a_workbook_is_written_and_another_table_is_no_folder(
    call: Run, dev30: Path, tmp_path: Path
) -> None:
    pytest.importorskip("xlsxwriter")
    call("predict", "tiny", dev30, "-o", "x.xlsx").succeeded()
    assert zipfile.is_zipfile(tmp_path / "x.xlsx")
    result = call("predict", "tiny", dev30, "-o", "x.ods")
    assert result.code == 1
    assert "x.ods: its ending is none of .parquet, .jsonl, .csv, .tsv, .xlsx; write" in result.err
    assert not (tmp_path / "x.ods").exists()
    call("predict", "tiny", dev30, "-o", "p.foo").failed("p.foo: its ending is none of")
    (tmp_path / "p.foo").mkdir()
    call("predict", "tiny", dev30, "-o", "p.foo").succeeded()


def test_predict_writes_four_files(call: Run, dev30: Path, tmp_path: Path, reader: Reader) -> None:
    out = call("predict", "small", dev30, "-o", "new/out").succeeded().out
    assert out == "".join(f"new/out/{name}\n" for name in FILES)
    folder = tmp_path / "new" / "out"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    texts, n_best, odds, probabilities = (read(folder, name) for name in FILES)

    examples = load(dev30).examples
    ids = [example.id for example in examples]
    assert len(ids) == 30
    for content in (texts, n_best, odds, probabilities):
        assert list(content) == ids
    assert all(0 <= p <= 1 for p in probabilities.values())
    # rivals of the best quote count, too, so that the two sort nearly alike, not quite
    said = {p.id: p.no_answer_score for p in reader.answer_all(examples)}
    assert probabilities == pytest.approx(said)

    decision = reader.config.decision()
    for example in examples:
        entries = n_best[example.id]
        best = entries[0]
        values = (best["probability"], probabilities[example.id], odds[example.id])
        assert texts[example.id] == ("" if decision.abstains(*values) else best["text"])
        assert 1 <= len(entries) <= reader.config.n_best_size
        ranked = [entry["probability"] for entry in entries]
        assert ranked == sorted(ranked, reverse=True)
        assert 0 <= sum(ranked) + probabilities[example.id] <= 1 + 1e-9
        for entry in entries:
            assert example.context[entry["start"] : entry["end"]] == entry["text"]


def test_predict_again_replaces_the_files_with_the_same_bytes(
    call: Run, dev30: Path, tmp_path: Path
) -> None:
    call("predict", "small", dev30, "-o", "out").succeeded()
    before = [(tmp_path / "out" / name).read_bytes() for name in FILES]
    call("predict", "small", dev30, "-o", "out", "--threads", 1).succeeded()
    assert [(tmp_path / "out" / name).read_bytes() for name in FILES] == before


def test_predict_with_a_threshold_or_none(call: Run, dev30: Path, tmp_path: Path) -> None:
    call("predict", "small", dev30, "-o", "never", "--threshold", "-9999").succeeded()
    call("predict", "small", dev30, "-o", "always", "--never-abstain").succeeded()
    assert set(read(tmp_path, "never", FILES[0]).values()) == {""}
    assert "" not in read(tmp_path, "always", FILES[0]).values()
    for name in FILES[1:]:
        assert read(tmp_path, "never", name) == read(tmp_path, "always", name)


def test_predict_for_a_share_of_answerable_questions(
    call: Run, dev30: Path, tmp_path: Path
) -> None:
    call("predict", "small", dev30, "-o", "all", "--answerable", "100%").succeeded()
    call("predict", "small", dev30, "-o", "few", "--answerable", "0.1%").succeeded()
    assert "" not in read(tmp_path, "all", FILES[0]).values()
    assert set(read(tmp_path, "all", "na_prob.json").values()) == {0.0}
    few = list(read(tmp_path, "few", FILES[0]).values())
    assert few.count("") > 15
    assert read(tmp_path, "all", "null_odds.json") == read(tmp_path, "few", "null_odds.json")


@pytest.fixture
def misspelt(tmp_path: Path) -> Path:
    context = "The first lighthouse on the rocks was built by Henry Winstanley."
    golds = ("Henry Winstanley", context.index("Henry"))
    questions = [
        question("1", "Who built the lighthuose?", golds),
        question("2", "Who built the lighthouse?", golds),
    ]
    (tmp_path / "misspelt.json").write_text(json.dumps(squad(*questions, context=context)))
    return tmp_path / "misspelt.json"


def test_misspelt_questions_are_read_as_they_are_meant_or_as_they_are_written(
    call: Run, misspelt: Path, tmp_path: Path
) -> None:
    for more in ("--spelling", "--no-spelling"):
        call("predict", "small", misspelt, "-o", f"out{more}", more).succeeded()
    meant, written = (
        read(tmp_path, f"out{more}", "null_odds.json") for more in ("--spelling", "--no-spelling")
    )
    assert meant["1"] == meant["2"] == pytest.approx(written["2"])
    assert abs(written["1"] - written["2"]) > 0.1


# ---- evaluate


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--spelling", "spelling: corrected (in 1 question)"),
        ("--no-spelling", "spelling: as written"),
    ],
)
def test_evaluate_says_whether_spelling_is_corrected(
    call: Run, misspelt: Path, option: str, line: str
) -> None:
    assert line in call("evaluate", "small", misspelt, option).succeeded().out.splitlines()
    found = call("evaluate", "small", misspelt, option, "--json").succeeded().json
    assert found["spelling"] is (option == "--spelling")


def test_evaluate_agrees_with_predict_and_score_to_the_last_digit(
    call: Run, dev30: Path, tmp_path: Path
) -> None:
    evaluated = call("evaluate", "small", dev30, "--json", "-o", "scores.json").succeeded().json
    assert read(tmp_path, "scores.json") == evaluated
    assert evaluated["total"] == 30
    assert evaluated["f1"] > 60  # a model that reads: always or never abstaining gives about half
    assert evaluated["best_f1"] >= evaluated["f1"]
    assert (evaluated["model"], evaluated["data"]) == ("small", str(dev30))

    call("predict", "small", dev30, "-o", "out").succeeded()
    scores = call("score", dev30, "out/predictions.json").json
    assert {key: scores[key] for key in HEADLINE} == {key: evaluated[key] for key in HEADLINE}

    call("predict", "small", dev30, "-o", "best", "--never-abstain").succeeded()
    at = call("evaluate", "small", dev30, "--json", "--threshold", -1.5).succeeded().json
    assert at["threshold"] == -1.5
    odds = ("-n", "best/null_odds.json", "-t", -1.5)
    scores = call("score", dev30, "best/predictions.json", *odds).succeeded().json
    for key in HEADLINE + BEST:
        assert scores[key] == at[key], key
    # the real probabilities rank alike, so that the best scores are the same; the cut is not
    scores = call("score", dev30, "best/predictions.json", "-n", "best/na_prob.json").json
    assert scores["best_f1"] == at["best_f1"]
    assert 0 <= scores["best_f1_thresh"] <= 1


def test_the_table_shows_what_the_json_holds(call: Run, dev30: Path) -> None:
    found = call("evaluate", "small", dev30, "--json", "--threshold", "-0.5").succeeded().json
    assert found["threshold"] == -0.5
    out = call("evaluate", "small", dev30, "--threshold", "-0.5").succeeded().out
    lines = out.splitlines()
    assert lines[0] == f"small on {dev30}"
    assert lines[1].split() == ["EM", "F1", "questions"]
    for line, name, prefix in (
        (lines[2], "all", ""),
        (lines[3], "answerable", "HasAns_"),
        (lines[4], "unanswerable", "NoAns_"),
    ):
        exact, f1, total = (found[prefix + key] for key in ("exact", "f1", "total"))
        assert line.split() == [name, f"{exact:.2f}", f"{f1:.2f}", str(total)]
    assert lines[5] == "decision: threshold -0.5 (null logit - best span logit)"
    assert lines[7] == f"answer or not, decided rightly: {found['avna']:.2f} %"
    assert f"F1 {found['best_f1']:.2f} at threshold {found['best_f1_thresh']:.4g}" in lines[8]


def test_the_best_share_that_evaluate_names_gives_the_best_f1(call: Run, dev60: Path) -> None:
    ask = ("evaluate", "tiny", dev60, "--answerable")
    lines = call(*ask, "30%").succeeded().out.splitlines()
    assert "decision: answerable 30 % (of these questions, 45 % are)" in lines
    best = re.search(r"F1 (\S+) at answerable (\S+) %", "\n".join(lines))
    assert best is not None
    # four digits are shown; the next higher share answers the question at the border for certain
    found = call(*ask, f"{float(best[2]) + 0.01}%", "--json").succeeded().json
    assert f"{found['f1']:.2f}" == best[1]
    assert found["threshold"] is None
    # where all are answerable, no answer is as unlikely everywhere, and nothing can be compared
    assert "best for" not in call(*ask, "100%").succeeded().out


def test_data_of_one_kind_has_no_other_row_and_no_fitted_threshold(
    call: Run, tmp_path: Path
) -> None:
    data = squad(question("1", "Who led the Norse?", ("Rollo", 7)), context="Led by Rollo.")
    Path(tmp_path, "d.json").write_text(json.dumps(data))
    found = call("evaluate", "small", "d.json", "--json").succeeded().json
    assert found["fitted_threshold"] is None
    assert "NoAns_total" not in found
    assert "unanswerable" not in call("evaluate", "small", "d.json").succeeded().out


def test_a_blank_context_in_the_data_is_unanswerable(call: Run, tmp_path: Path) -> None:
    data = squad(question("1", "Who led the Norse?"), context=" \n")
    Path(tmp_path, "d.json").write_text(json.dumps(data))
    evaluated = call("evaluate", "small", "d.json", "--json")
    assert evaluated.json["exact"] == 100.0
    assert "none of its questions has an answer" in evaluated.err
    call("predict", "small", "d.json", "-o", "out").succeeded()
    assert read(tmp_path, "out", "predictions.json") == {"1": ""}
    assert read(tmp_path, "out", "nbest_predictions.json") == {"1": []}
    assert read(tmp_path, "out", "na_prob.json") == {"1": 1.0}


@pytest.mark.parametrize("command", [["evaluate"], ["predict", "-o", "out"]])
def test_a_blank_question_in_the_data_is_never_answered_in_silence(
    call: Run, tmp_path: Path, command: list[str]
) -> None:
    data = squad(question("1", "Who?"), question("2", "  "), context="Led by Rollo.")
    Path(tmp_path, "d.json").write_text(json.dumps(data))
    result = call(command[0], "small", "d.json", *command[1:])
    assert "question is blank" in result.err
    if result.code:  # with nothing written; or else dropped, as other bad questions are
        result.failed()
        assert list(tmp_path.glob("out/*")) == []
