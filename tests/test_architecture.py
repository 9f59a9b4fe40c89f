"""The map of the code: which room may import which, and what importing pullquote costs."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pullquote
from pullquote.reading.backends import native_library

ROOT = Path(pullquote.__file__).parent
MODULES = {
    ".".join(["pullquote", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(
        ".__init__"
    ): path
    for path in ROOT.rglob("*.py")
}
# A module imports only from its own room and from rooms above it.
ROOMS = [
    *("errors", "deprecated", "progress", "settings", "types", "urls", "files"),
    *("charsets", "text", "json_text"),
    *("data", "scoring", "checkpoints", "reading", "searching", "checking"),
    *("training", "publishing"),
    *("compat", "scale", "agents", "integrations", "serving", "cli"),
]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside, for types or for use."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                # what the front door hands out belongs to the room it comes from
                front = node.module == "pullquote" and alias.name in pullquote.__all__
                thing = getattr(pullquote, alias.name) if front else None
                yield full if full in MODULES else getattr(thing, "__module__", node.module)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def test_modules_import_only_from_rooms_above() -> None:
    for module, path in MODULES.items():
        if module in ("pullquote", "pullquote.__main__"):
            continue  # the front doors
        for target in imports(path):
            if target.startswith("pullquote."):
                above = ROOMS.index(room(target)) <= ROOMS.index(room(module))
                assert above, f"{module} imports {target}, which is below it"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not even for types: of two modules, one is above the other."""
    graph = {
        module: {target for target in imports(path) if target in MODULES} - {"pullquote", module}
        for module, path in MODULES.items()
        if module != "pullquote"  # imports what it hands out
    }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


# Things that exist once, by a pattern that their code would match, and the module that has them.
OWNERS = {
    r"getattr\(\w+, name\) for name in INPUTS|in accepted\b": "reading/backends/torch.py",
    r"\.answers\[0\]\.text if": "types.py",
    r"NDArray\[np\.float64\]$": "scoring/arrays.py",
    r"codecs\.BOM_|(?<!int\.)from_bytes|utf-8-sig": "text.py charsets.py",
    r"csv\.reader|field_size_limit": "data/tables.py",
    r"\.choice\(": "data/sample.py",
    r"0\.5 / ": "scoring/arrays.py",
    r"Callable\[\[int, int, str\], None\]": "progress.py",
    r"warnings\.warn\([^)]*DeprecationWarning": "deprecated.py",
    r"\"no_answer_score\":": "types.py searching/search.py",
}


@pytest.mark.parametrize(("pattern", "owners"), OWNERS.items())
def test_a_thing_has_one_owner(pattern: str, owners: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES.values()
        if re.search(pattern, path.read_text(encoding="utf-8"), re.M)
    }
    assert found == set(owners.split())


def test_the_documented_map_is_this_one() -> None:
    """docs/concepts.md has the same rooms in the same order."""
    page = (Path(__file__).parent.parent / "docs" / "concepts.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if re.match(r"\| `\w+[`/]", line)]
    documented = [name for row in rows for name in re.findall(r"`(\w+)/?`", row)]
    assert documented == ROOMS


def test_every_module_stands_in_a_room() -> None:
    assert {room(name) for name in MODULES} - {"pullquote", "__main__"} <= set(ROOMS)


@pytest.mark.parametrize(
    ("package", "places"),
    [
        ("tokenizers", ("pullquote.reading.encode", "pullquote.reading.tokenizer")),
        (
            "torch",
            (
                *("pullquote.training", "pullquote.publishing", "pullquote.compat.features"),
                "pullquote.reading.backends.torch",
            ),
        ),
        (
            "transformers",
            (
                "pullquote.training",
                "pullquote.reading.backends.torch",
                "pullquote.compat.transformers",
            ),
        ),
        ("onnxruntime", ("pullquote.reading.backends.onnx",)),
        ("onnx", ("pullquote.publishing",)),
        ("click", ("pullquote.cli",)),
        ("huggingface_hub", ("pullquote.checkpoints.hub", "pullquote.publishing.push")),
        ("accelerate", ("pullquote.training.distributed",)),
        ("fastapi", ("pullquote.serving",)),
        ("starlette", ("pullquote.serving",)),
        ("pydantic", ("pullquote.serving",)),
        (
            "uvicorn",
            ("pullquote.serving.run", "pullquote.serving.protocol", "pullquote.serving.processes"),
        ),
        ("prometheus_client", ("pullquote.serving.metrics", "pullquote.serving.processes")),
        ("sqlite3", ("pullquote.searching.stores.sqlite", "pullquote.searching.engines.fts5")),
        ("psycopg", ("pullquote.searching.stores.postgres",)),
        ("tantivy", ("pullquote.searching.engines.tantivy",)),
        ("opensearchpy", ("pullquote.searching.engines.opensearch_server",)),
        ("fsspec", ("pullquote.data.remote",)),
        ("ray", ("pullquote.scale.ray",)),
        ("pyspark", ("pullquote.scale.spark",)),
        ("pandas", ("pullquote.scale.spark", "pullquote.integrations.frames")),
        ("pypdfium2", ("pullquote.searching.pdf",)),
        ("xlrd", ("pullquote.searching.sheets",)),
        ("lxml", ("pullquote.searching.html",)),
        ("dateutil", ("pullquote.scale.values",)),
        ("xlsxwriter", ("pullquote.scale.workbook",)),
        ("charset_normalizer", ("pullquote.charsets",)),
        ("rapidfuzz", ("pullquote.checking.aligning",)),
        ("matplotlib", ("pullquote.training.log", "pullquote.scoring.figures")),
    ],
)
def test_a_package_is_imported_in_its_place_alone(package: str, places: tuple[str, ...]) -> None:
    users = {
        module
        for module, path in MODULES.items()
        if any(target.split(".")[0] == package for target in imports(path))
    }
    assert {user for user in users if not user.startswith(places)} == set()
    for place in places:
        assert any(user.startswith(place) for user in users), f"{place} does not import {package}"


# Of the standard library, what takes long to import and no answer from a text needs.
SLOW = {"asyncio", "concurrent.futures", "csv", "gzip", "http", "logging", "multiprocessing"}
SLOW |= {"sqlite3", "ssl", "subprocess", "tempfile", "unittest", "urllib.request", "zipfile"}


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh process has loaded after running a program."""
    code += "; import sys; sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def packages(modules: set[str]) -> set[str]:
    """The packages of modules, without those of the standard library and of the environment."""
    return {name.split(".")[0] for name in modules} - sys.stdlib_module_names - loaded_by("pass")


def test_importing_pullquote_loads_nothing_heavy() -> None:
    modules = loaded_by("import pullquote")
    assert packages(modules) == {"pullquote"}
    assert modules & SLOW == set()
    quiet = [sys.executable, "-c", "import pullquote"]
    done = subprocess.run(quiet, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.skipif(not native_library.available(), reason="tokenizers takes the engine's place")
def test_asking_loads_only_what_it_needs() -> None:
    arguments = ["ask", "Who led the Norse?", "--context", "The Norse, led by Rollo, came by sea."]
    modules = loaded_by(
        "from pullquote.cli import cli; "
        f"cli.main([*{arguments}, '--model', 'tiny'], standalone_mode=False)"
    )
    assert packages(modules) == {"pullquote", "click", "numpy"}
    assert modules & SLOW == set()
    rooms = {room(name) for name in modules if name.startswith("pullquote.")}
    assert rooms & {"data", "charsets", "training", "publishing", "compat", "serving"} == set()
    assert {name for name in modules if name.startswith("pullquote.searching.")} == {
        "pullquote.searching.plain",  # tells a text from a document
        "pullquote.searching.urls",  # and both from an index on a server
    }


def test_every_name_of_the_front_door_is_there() -> None:
    module = importlib.import_module("pullquote")
    assert set(dir(module)) == set(module.__all__)
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Raeder'"):
        _ = module.Raeder
