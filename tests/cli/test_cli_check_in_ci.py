"""The hook of pre-commit and the GitHub Action: what they run fails for a quote that is wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_helpers import ENVIRONMENT, ROOT, Result

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
SOURCE = "The turbine was installed in 1931. It gives eleven kilowatts.\n"
RIGHT = "He says “the turbine was installed in 1931”.\n"
WRONG = "He says “the turbine was installed in 1913”.\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="runs bash")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Has this pullquote as a command, and no settings of whoever runs the tests."""
    command = tmp_path / "bin" / "pullquote"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pullquote "$@"\n')
    command.chmod(0o755)
    path = os.pathsep.join([str(command.parent), os.environ["PATH"]])
    given = {key: value for key, value in ENVIRONMENT.items() if not key.startswith("GIT_")}
    python_path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    given |= {"PATH": path, "PYTHONPATH": python_path}
    return {**given, "PRE_COMMIT_HOME": str(tmp_path / "home")}


@pytest.fixture
def repository(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A repository with a source, and drafts of which one has a wrong quote."""
    found = tmp_path / "repository"
    (found / "sources").mkdir(parents=True)
    (found / "chapters" / "deep").mkdir(parents=True)
    (found / "sources" / "history.txt").write_text(SOURCE, "utf-8")
    (found / "chapters" / "one.md").write_text(RIGHT, "utf-8")
    (found / "chapters" / "deep" / "the two.md").write_text(WRONG, "utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=found, env=environment, check=True)
    return found


def run(arguments: list[str], cwd: Path, environment: dict[str, str]) -> Result:
    done = subprocess.run(
        arguments, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    return Result(done.returncode, done.stdout, done.stderr)


def mend(repository: Path) -> None:
    (repository / "chapters" / "deep" / "the two.md").write_text(RIGHT, "utf-8")


# ---- pre-commit


def test_the_hook_has_what_reads_files() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = project["optional-dependencies"]["files"]
    assert sorted(HOOKS[0]["additional_dependencies"]) == sorted(needed)


def test_the_hook_fails_until_the_quote_is_right(
    repository: Path, environment: dict[str, str]
) -> None:
    """As pre-commit runs it, but for the installation."""
    pytest.importorskip("pre_commit")
    hook: dict[str, Any] = {**HOOKS[0], "language": "system"}
    del hook["additional_dependencies"]
    hook |= {"args": ["--source", "sources/"], "files": "^chapters/"}
    config = {"repos": [{"repo": "local", "hooks": [hook]}]}
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    subprocess.run(["git", "add", "."], cwd=repository, env=environment, check=True)
    command = [sys.executable, "-m", "pre_commit", "run", "--color", "never"]
    done = run(command, repository, environment)
    assert done.code == 1, done
    assert "- exit code: 1" in done.out
    assert "drifted      chapters/deep/the two.md:1" in done.out
    assert '"1913" for "1931"' in done.out
    mend(repository)
    subprocess.run(["git", "add", "."], cwd=repository, env=environment, check=True)
    done = run(command, repository, environment)
    assert done.code == 0, done
    assert "Passed" in done.out


# ---- the action


def check_step(repository: Path, environment: dict[str, str], **inputs: str) -> Result:
    """Run the step that checks, with its environment made of the inputs as a runner does."""
    given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    *_, step = ACTION["runs"]["steps"]
    variables = dict(environment)
    for key, value in step["env"].items():
        variables[key] = given[value.removeprefix("${{ inputs.").removesuffix(" }}")]
    script = repository / "step.sh"
    script.write_text(step["run"], "utf-8")
    assert step["shell"] == "bash"
    shell = [shutil.which("bash") or "bash", "--noprofile", "--norc", "-eo", "pipefail"]
    return run([*shell, str(script)], repository, variables)


def test_the_action_fails_until_the_quote_is_right(
    repository: Path, environment: dict[str, str]
) -> None:
    inputs = {"drafts": "chapters/**/*.md\n", "sources": "sources/\n", "report": "checked.html"}
    done = check_step(repository, environment, **inputs)
    assert done.code == 1, done
    assert "drifted      chapters/deep/the two.md:1" in done.out
    assert "2 quotes: 1 typographic, 1 drifted; checked.html" in done.out
    assert (repository / "checked.html").exists()
    mend(repository)
    done = check_step(repository, environment, **inputs)
    assert done.code == 0, done


def test_the_action_runs_nothing_that_an_input_holds(
    repository: Path, environment: dict[str, str]
) -> None:
    bad = "$(touch ran) `touch ran`; touch ran"
    done = check_step(repository, environment, drafts=bad, sources=bad, report="", min_words="3")
    assert done.code == 2, done
    assert not (repository / "ran").exists()


def test_the_action_says_that_no_draft_matches(
    repository: Path, environment: dict[str, str]
) -> None:
    done = check_step(repository, environment, drafts="drafts/*.md", sources="sources/")
    assert (done.code, done.err) == (2, "no draft matches: drafts/*.md\n")
