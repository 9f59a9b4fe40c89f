"""The project's own files agree: version floors, tools, versions, the wheel's size."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import pullquote
from pullquote.files import cache_directory
from pullquote.reading.backends import native_library
from pullquote.reading.backends import onnx as onnx_backend
from pullquote.searching.engines import tantivy as tantivy_engine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WHEEL_BYTES = 60_000_000


def _same(name: str) -> str:
    """PyPI's form of a name: prometheus_client and Prometheus-Client are one package."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _number(version: str) -> tuple[int, ...]:
    """`1.20` and `1.20.0` are the same."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    found = [re.match(r"([\w.-]+)==([\w.]+)", line) for line in lines]
    return {_same(match[1]): match[2] for match in found if match}


def _requirements(*extras: str) -> Iterator[tuple[str, str]]:
    """Name and floor of what the extras need, or of all but the tools without any."""
    optional = PROJECT["optional-dependencies"]
    for line in [
        *PROJECT["dependencies"],
        *(line for extra in extras or set(optional) - {"dev"} for line in optional[extra]),
    ]:
        if not line.startswith("pullquote["):
            match = re.fullmatch(r"([\w.-]+)>=([\d.]+)(?:,<\d+)?(;.*)?", line)
            assert match, f"{line}: expected NAME>=VERSION"
            yield _same(match[1]), match[2]


def test_the_core_needs_four_packages() -> None:
    lines = PROJECT["dependencies"]
    names = [re.split(r"[<>=]", line)[0] for line in lines]
    assert names == ["click", "numpy", "rapidfuzz", "tokenizers"]


def test_the_lowest_versions_are_those_that_are_tested() -> None:
    torch = _pins("constraints-floors-torch.txt")
    for name, floor in _requirements():
        tested = _pins("constraints-floors.txt").get(name) or torch.get(name)
        assert tested, f"{name}: in no constraints-floors file"
        assert _number(tested) == _number(floor), name


def test_floors_that_errors_name_are_those_of_the_project() -> None:
    floors = dict(_requirements())
    assert floors["onnxruntime"] == onnx_backend.OLDEST
    assert floors["tantivy"] == tantivy_engine.OLDEST


def test_the_pinned_versions_satisfy_the_floors() -> None:
    pins = _pins("constraints.txt")
    for name, floor in _requirements(*PROJECT["optional-dependencies"]):
        assert name in pins, f"{name}: not in constraints.txt"
        assert _number(pins[name]) >= _number(floor), name


def test_pre_commit_runs_the_same_ruff_and_mypy() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    ruff = re.search(r"ruff-pre-commit\n +rev: v([\d.]+)\n", hooks)
    assert ruff
    assert ruff[1] == _pins("constraints.txt")["ruff"]
    assert "entry: .venv/bin/mypy\n" in hooks  # which `make` installs by constraints.txt


def test_the_changelog_has_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    version = re.escape(pullquote.__version__)
    assert re.search(rf"^## {version} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.M)


def test_the_project_says_where_it_lives() -> None:
    assert set(PROJECT["urls"]) >= {"Homepage", "Documentation", "Changelog", "Issues"}
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_the_repository_has_no_links() -> None:
    """A linked .venv is easily committed: `.venv/` in .gitignore means folders alone."""
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []


@pytest.mark.parametrize("name", ["ci", "nightly", "release"])
def test_workflows_call_what_is_there(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text("utf-8")
    assert yaml.safe_load(text)["jobs"]
    verbs = (ROOT / "Makefile").read_text("utf-8")
    for command in re.findall(r"^ +- run: (.*)$", text, re.M):
        first, _, verb = command.partition(" ")
        assert re.search(rf"^{verb}:", verbs, re.M) if first == "make" else (ROOT / first).exists()


def build_wheel(out: Path, **environment: str) -> Path:
    """By the build backend that is installed, so that nothing is downloaded."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment}
    subprocess.run([*command, "-w", out, ROOT], env=environment, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


def test_the_wheel_is_small_and_whole_without_a_compiler(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, CXX=str(tmp_path / "no-compiler"))
    assert wheel.name == f"pullquote-{pullquote.__version__}-py3-none-any.whl"
    assert wheel.stat().st_size <= WHEEL_BYTES
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    expected = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file()
        and not {"__pycache__", "_engine"} & set(path.parts)  # _engine: of make engine
        and path.suffix != ".pyc"
    }
    assert names >= expected
    assert all(n.startswith(("pullquote/", "pullquote-")) for n in names)
    assert not any("_engine" in name for name in names)


@pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler here")
def test_a_compiler_puts_the_engine_into_the_wheel(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, CXXFLAGS="-DPQ_UNROLL=")  # compiles in half the time
    python, abi, platform = wheel.stem.split("-")[2:]
    assert (python, abi) == ("py3", "none")
    assert platform != "any"
    library = f"pullquote/reading/backends/_engine/{native_library.LIBRARY.name}"
    with zipfile.ZipFile(wheel) as archive:
        assert library in archive.namelist()
        archive.extractall(tmp_path / "installed")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "PULLQUOTE_ENGINE": ""}
    check = [sys.executable, ROOT / ".ci" / "check_installed.py"]
    done = subprocess.run(check, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("answered by the engine, with its kernels "), done.stderr


def test_a_release_has_no_wheel_without_the_engine(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        build_wheel(tmp_path, CXX=str(tmp_path / "no-compiler"), PULLQUOTE_NEEDS_ENGINE="1")
    assert b"no-compiler" in caught.value.stderr


def test_the_sources_have_what_the_wheel_is_built_of(tmp_path: Path) -> None:
    """By the build backend itself, without an environment of its own, which would be downloaded."""
    code = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    (sources,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sources) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = [*(ROOT / "engine").rglob("*"), *(ROOT / "src" / "pullquote").rglob("*.py")]
    needed += [ROOT / name for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE")]
    assert {path.relative_to(ROOT).as_posix() for path in needed if path.is_file()} <= names
    assert not any("_engine/" in name for name in names)


def test_tests_keep_out_of_the_users_cache() -> None:
    """What commands keep of an earlier version changes what they say."""
    cache = cache_directory()
    assert cache.is_dir()
    assert cache.parent == Path(tempfile.gettempdir())
    program = "from pullquote.files import cache_directory as cache; print(cache())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert Path(done.stdout.strip()) == cache
