"""The documents keep their word: their Python runs, their links lead somewhere, help is current."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import pullquote

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(code, id=f"{page.name}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S))
]
# "$ pullquote ..." and what the page says it prints
SHOWN = [
    pytest.param(command, shown, id=f"{page.name}-{number}")
    for page in PAGES
    for block in re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.S)
    for number, (command, shown) in enumerate(
        re.findall(r"^\$ (pullquote .*)\n((?:(?!\$ ).+\n)+)", block, re.M)
    )
]
_PROBABILITY = re.compile(r"\b0?\.\d\d\b|\b\d{1,2}(?= %)")
API = (ROOT / "docs" / "api.md").read_text("utf-8")
# what stands below each heading for a name
ENTRIES = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", API, re.M | re.S))
EXAMPLES = [
    pytest.param(example, id=str(number))
    for number, example in enumerate(re.findall(r"```pycon\n(.*?)```", API, re.S))
]
NOT_RUN = re.findall(r"```py\n(.*?)```", API, re.S)


def test_there_is_python_to_run_in_the_readme_and_the_quickstart() -> None:
    assert {param.id.split("-")[0] for param in BLOCKS} >= {"README.md", "quickstart.md"}


@pytest.mark.parametrize("code", BLOCKS)
def test_python_in_the_docs_runs(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "<docs>", "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_commands_in_the_docs_exist() -> None:
    from pullquote.cli import COMMANDS

    used = {
        command
        for page in PAGES
        for command in re.findall(
            r"^\$ (?:.*\| )?pullquote ([\w-]+)", page.read_text("utf-8"), re.M
        )
    }
    assert used
    assert used <= set(COMMANDS)


@pytest.mark.parametrize(("command", "shown"), SHOWN)
def test_commands_in_the_docs_print_what_is_shown(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path))
    monkeypatch.delenv("PULLQUOTE_VECTORS", raising=False)  # as those who read the pages have it
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    # 1: a check that found quotes that are not right
    expected = (0, 1) if command.startswith("pullquote check ") else (0,)
    assert done.returncode in expected, done.stderr
    assert _PROBABILITY.split(done.stdout) == _PROBABILITY.split(shown)
    printed, told = (_PROBABILITY.findall(text) for text in (done.stdout, shown))
    # the last digit depends on what the weights are read by
    for one, other in zip(printed, told, strict=True):
        assert float(one) == pytest.approx(float(other), abs=0.021 if "." in one else 2)


def test_the_command_line_reference_is_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_api_page_has_every_public_name_with_an_example_that_runs() -> None:
    names = set(pullquote.__all__) - {"__version__"}
    assert names <= set(ENTRIES)
    assert [name for name in sorted(names) if "```pycon" not in ENTRIES[name]] == []


def test_every_function_on_the_api_page_has_an_example() -> None:
    # a signature without "class"; errors have none
    functions = {name for name in ENTRIES if ENTRIES[name].startswith(f"\n```text\n{name}(")}
    assert {"load", "evaluate", "train", "squad_evaluate"} <= functions
    assert [name for name in sorted(functions) if "```py" not in ENTRIES[name]] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_on_the_api_page_run_as_they_are_shown(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    test = doctest.DocTestParser().get_doctest(example, {}, "docs/api.md", None, 0)
    printed: list[str] = []
    assert doctest.DocTestRunner().run(test, out=printed.append).failed == 0, "".join(printed)


def test_examples_on_the_api_page_that_need_files_are_python_at_least() -> None:
    assert NOT_RUN
    for example in NOT_RUN:
        compile(example, "docs/api.md", "exec")


def test_the_picture_in_the_readme_shows_the_page_as_it_is() -> None:
    script = [sys.executable, str(ROOT / "docs" / "picture.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (ROOT / "docs" / "page.png").stat().st_size <= 120_000


def test_the_site_builds_with_a_next_page_below_each_and_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    pytest.importorskip("zensical", reason="the site generator is not installed (extra dev)")
    build = [sys.executable, str(ROOT / "docs" / "build_site.py"), str(tmp_path / "site")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    pages = {page.name: page.read_text("utf-8") for page in (tmp_path / "site").glob("*.html")}
    assert {f"{page.stem}.html" for page in PAGES if page.stem != "README"} <= set(pages)
    for shown in ('src="page.png"', 'src="answerable.svg"'):
        assert any(shown in text for text in pages.values())
    last = [name for name, text in pages.items() if "md-footer__link--next" not in text]
    assert sorted(last) == ["404.html", "license.html"]
    loads = r"<(?:script|img|iframe)[^>]+src=\"?https?:|<link[^>]+href=\"?https?:|@import"
    assert [name for name, text in pages.items() if re.search(loads, text)] == []
