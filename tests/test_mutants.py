"""The list of mutants fits the code and the tests; the runner tells killed from survived."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import mutants

ALL = mutants.load()
ONE = next(mutant for mutant in ALL if mutant.path == "scoring/squad.py")


@pytest.mark.parametrize("mutant", ALL, ids=str)
def test_a_mutant_changes_code_that_is_there_and_names_a_test(mutant: mutants.Mutant) -> None:
    changed = ast.parse(mutant.text())  # raises where the old text is not there exactly once
    original = ast.parse((mutants.SOURCE / mutant.path).read_text(encoding="utf-8"))
    assert ast.dump(changed) != ast.dump(original)
    file, _, test = mutant.test.partition("::")
    functions = ast.walk(ast.parse((mutants.TESTS / file).read_text(encoding="utf-8")))
    assert test in {f.name for f in functions if isinstance(f, ast.FunctionDef)}


def test_names_differ() -> None:
    assert len({str(mutant) for mutant in ALL}) == len(ALL)


def test_a_mutant_is_killed_by_its_test_and_survives_another() -> None:
    assert mutants.run(ONE) == ("killed", "")
    other = "scoring/test_scoring_squad.py::test_blocks_without_questions_are_absent"
    assert mutants.run(replace(ONE, test=other)) == ("SURVIVED", "")


def test_what_does_not_fit_is_an_error_and_no_kill() -> None:
    verdict, why = mutants.run(replace(ONE, old="nowhere"))
    assert (verdict, "stands 0 times" in why) == ("ERROR", True)
    verdict, why = mutants.run(replace(ONE, old="\n"))
    assert (verdict, "not once" in why) == ("ERROR", True)
    verdict, why = mutants.run(replace(ONE, path="gone.py"))
    assert (verdict, "gone.py" in why) == ("ERROR", True)
    verdict, why = mutants.run(replace(ONE, test="scoring/test_scoring_squad.py::test_gone"))
    assert (verdict, "test_gone" in why) == ("ERROR", True)
    verdict, why = mutants.run(replace(ONE, new="import"))
    assert (verdict, "SyntaxError" in why) == ("ERROR", True)


def test_a_survivor_or_an_error_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mutants, "run_tests", lambda copy, tests: (0, ""))
    assert mutants.main([ONE.name, "--jobs", "1"]) == 1
    assert f"SURVIVED  {ONE}\n" in capsys.readouterr().out
    # without a mutant the tests pass, with one they fail
    codes = iter([0, 1])
    monkeypatch.setattr(mutants, "run_tests", lambda copy, tests: (next(codes), ""))
    assert mutants.main([ONE.name, "--jobs", "1"]) == 0
    assert "1 of 1 mutants killed" in capsys.readouterr().out
    monkeypatch.setattr(mutants, "run_tests", lambda copy, tests: (1, "1 failed"))
    assert mutants.main([ONE.name]) == 1
    assert "fails without any mutant" in capsys.readouterr().out


@pytest.mark.parametrize("part", ["a name", "a name (test_x)", "a name (test_x)\n?old", "(x)\n-a"])
def test_what_is_no_mutant_is_refused(tmp_path: Path, part: str) -> None:
    (tmp_path / "list.txt").write_text(f"== a.py test_a.py\n\n{part}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="not a mutant"):
        mutants.load(tmp_path / "list.txt")
