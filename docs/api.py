"""Writes docs/api.md: the public names of pullquote, with the docstrings that the code has.

`generate.py` calls it. What is public is what `pullquote.__all__` and `MODULES` list.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pullquote
from pullquote.compat import squad_metrics

MODULES: dict[str, tuple[str, ...]] = {
    "pullquote.errors": (
        *("InputError", "ConfigError", "DataError", "DocumentError", "IndexFileError"),
        *("ModelError", "OldFormError", "TrainingError", "DownloadError", "OutputError"),
        "MissingExtraError",
    ),
    "pullquote.settings": ("Calibration", "LogOdds", "Decision"),
    "pullquote.types": ("Correction", "Mark", "Batch", "Logits"),
    "pullquote.checking.verdicts": ("Found", "Difference", "Named"),
    "pullquote.checking.drafts": ("Quotation",),
    "pullquote.checking.sources": ("Sources",),
    "pullquote.data": (
        *("load", "save", "examples_from_rows", "question_from_row", "row_from_example"),
        *("Dataset", "Dropped"),
    ),
    "pullquote.data.download": ("download_squad2",),
    "pullquote.reading.evaluate": ("evaluate", "Evaluation"),
    "pullquote.reading.calibrate": ("calibrate", "Calibrated", "choose_answerable", "Chosen"),
    "pullquote.reading.backends": ("Backend",),
    "pullquote.reading.backends.scripted": ("ScriptedBackend",),
    "pullquote.scoring.squad": ("score", "Scores"),
    "pullquote.scoring.compare": ("compare", "Comparison", "Answers"),
    "pullquote.scoring.report": ("write_report",),
    "pullquote.searching.documents": ("find", "read", "Problem"),
    "pullquote.searching.update": ("Update",),
    "pullquote.searching.search": ("SearchResult", "Ranking"),
    "pullquote.training.recipe": ("Recipe",),
    "pullquote.training.train": ("train", "TrainingReport"),
    "pullquote.training.label": ("label", "LabelReport"),
    "pullquote.publishing.export": ("export", "ExportReport"),
    "pullquote.publishing.plain_onnx": ("plain_onnx", "PlainReport"),
    "pullquote.publishing.quantize": ("quantize", "Scheme"),
    "pullquote.publishing.average": ("average",),
    "pullquote.publishing.unpack": ("unpack",),
    "pullquote.publishing.card": ("card", "Data"),
    "pullquote.publishing.push": ("push",),
    "pullquote.scale.batch": ("batch", "Done"),
    "pullquote.scale.ray": ("RayEngine",),
    "pullquote.scale.spark": ("answer_udf",),
    "pullquote.scale.answering": ("Columns", "answer_rows", "ask_rows"),
    "pullquote.serving.app": ("create_app",),
    "pullquote.serving.settings": ("Settings",),
    "pullquote.compat.pipeline": ("QuestionAnsweringArgumentHandler",),
    "pullquote.compat.transformers": ("register",),
    "pullquote.compat.squad": (
        *("SquadExample", "SquadFeatures", "SquadResult"),
        *("SquadProcessor", "SquadV1Processor", "SquadV2Processor"),
    ),
    "pullquote.compat.features": ("squad_convert_examples_to_features",),
    "pullquote.compat.squad_metrics": tuple(squad_metrics.__all__),
}
"""Public names beside those of `pullquote` itself, by the module to import them from."""

PARTS_OF_OTHERS = {"Reader.read_all", "Searcher.retrieve", "Searcher.decide", "Index.is_one"}
"""Methods without an underscore that only other parts of pullquote call: private all the same."""

NO_CONSTRUCTOR = {"Index", "Backend"}
"""Classes that are made by a method of theirs, or not at all."""

HEAD = """# Python API

Written by `make docs` from the docstrings; do not edit by hand.

This page lists what is public. These names, their parameters and what they return change only as
[CONTRIBUTING](../CONTRIBUTING.md) and the [changelog](../CHANGELOG.md) announce. **Everything else
is private and may change without notice**: modules, functions, methods and attributes that are not
on this page, and every name that starts with an underscore.

Import the first group from `pullquote`, the others from the module in the heading. Importing
`pullquote` is cheap; a class is imported when it is first used. Examples with `>>>` are run by the
tests; those without need files, a network or an extra. A class that a signature names but that has
no heading here may be used as it is returned; where it is defined is private.

"""


def page() -> str:
    """The whole of api.md."""
    parts = [HEAD, "## pullquote\n\n"]
    parts += [f"{_entry(name, pullquote, '')}\n" for name in pullquote.__all__]
    for module_name, names in MODULES.items():
        module = importlib.import_module(module_name)
        parts.append(f"## {module_name}\n\n")
        parts += [f"{_entry(name, module, module_name)}\n" for name in names]
    return "".join(parts).rstrip() + "\n"


def _entry(name: str, module: Any, module_name: str) -> str:
    """A heading, the signature, the docstring, and the same for each public method of a class."""
    if not hasattr(module, name):
        raise SystemExit(f"docs/api.py lists {module_name}.{name}, but there is no such name")
    thing = getattr(module, name)
    if name == "__version__":
        return "### \\_\\_version\\_\\_\n\nThe version of pullquote, a string.\n"
    text = [f"### {name}\n"]
    if not inspect.isclass(thing):
        return "\n".join([*text, _code(name, thing), _prose(thing, name)])
    no_constructor = issubclass(thing, Exception) or name in NO_CONSTRUCTOR
    text += ["" if no_constructor else _code(f"class {name}", thing)]
    text += [_prose(thing, name), _fields(thing)]
    for member, value in vars(thing).items():
        title = f"{name}.{member}"
        if member.startswith("_") or title in PARTS_OF_OTHERS:
            continue
        function = value.fget if isinstance(value, property) else getattr(thing, member)
        if isinstance(value, property):
            kind = _annotation(inspect.signature(function).return_annotation)
            text += [f"#### {title}\n", f"```text\n{title}: {kind}\n```\n"]
        elif callable(function):
            text += [f"#### {title}\n", _code(title, function)]
        else:
            continue
        text.append(_prose(function, title))
    call = vars(thing).get("__call__")
    if call and call.__doc__:
        text += [f"#### {name}: calls\n", _code("__call__", call), _prose(call, name)]
    return "\n".join(part for part in text if part)


def _prose(thing: Any, name: str) -> str:
    """A docstring as Markdown: paragraphs stay, examples and indented code are fenced."""
    text = inspect.getdoc(thing) or ""
    if not text or text.startswith(f"{thing.__name__}("):  # what a dataclass writes by itself
        raise SystemExit(f"docs/api.py: {name} is public and has no docstring")
    blocks = re.split(r"\n\s*\n", text)
    return "\n".join(_block(block) for block in blocks)


def _block(block: str) -> str:
    if not block.startswith(">>> "):
        return f"{block}\n"
    if "# doctest: +SKIP" not in block:
        return f"```pycon\n{block}\n```\n"
    plain = re.sub(r"^(>>>|\.\.\.) ?", "", block, flags=re.M)
    plain = re.sub(r" *# doctest: \+SKIP$", "", plain, flags=re.M)
    plain = re.sub(r"\A((?:(?:from|import) .*\n)+)", r"\1\n", plain)
    return f"```py\n{plain}\n```\n"


def _code(name: str, thing: Any) -> str:
    """The signature as Python writes it, a parameter a line where it is long."""
    signature = inspect.signature(thing)
    taken = [_parameter(p) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    kinds = [p.kind for p in signature.parameters.values() if p.name not in ("self", "cls")]
    named_only = next((i for i, kind in enumerate(kinds) if kind is kind.KEYWORD_ONLY), None)
    if named_only is not None and inspect.Parameter.VAR_POSITIONAL not in kinds:
        taken.insert(named_only, "*")
    returned = "" if inspect.isclass(thing) else _annotation(signature.return_annotation)
    end = f" -> {returned}" if returned else ""
    line = f"{name}({', '.join(taken)}){end}"
    if len(line) > 88:
        line = f"{name}(\n    " + ",\n    ".join(taken) + f",\n){end}"
    return f"```text\n{line}\n```\n"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    kind, default = _annotation(parameter.annotation), parameter.default
    text = f"{stars}{parameter.name}" + (f": {kind}" if kind else "")
    if default is parameter.empty:
        return text
    plain = isinstance(default, (str, int, float, tuple, type(None)))
    shown = repr(default) if plain and len(repr(default)) < 60 else "..."
    return f"{text} = {shown}" if kind else f"{text}={shown}"


def _annotation(kind: Any) -> str:
    if kind is inspect.Parameter.empty:
        return ""
    return kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))


def _fields(kind: type) -> str:
    """A table of a dataclass's fields, from the string below each or the help of an option."""
    if not dataclasses.is_dataclass(kind):
        return ""
    said = dict(_said(kind))
    for field in dataclasses.fields(kind):
        if text := field.metadata.get("help"):
            said[field.name] = text
    if not said:
        return ""
    fields = [field.name for field in dataclasses.fields(kind) if field.name in said]
    rows = [f"| `{name}` | {said[name]} |" for name in fields]
    return "\n".join(["| field | |", "|---|---|", *rows]) + "\n"


def _said(kind: type) -> Iterator[tuple[str, str]]:
    """The string below each field, which Python itself does not keep."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0].body  # type: ignore[attr-defined]
    for field, below in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            yield field.target.id, " ".join(str(below.value.value).split())
