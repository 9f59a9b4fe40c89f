"""Help: an example for each command, and nothing heavy loaded to show it. The list of models."""

from __future__ import annotations

import inspect
import pkgutil
import re
import shlex
from pathlib import Path

import click
import pytest
from cli_helpers import Run

import pullquote
from pullquote.checkpoints.bundled import BUNDLED
from pullquote.checkpoints.directory import open_model
from pullquote.cli import COMMANDS, cli
from pullquote.cli.console import decision_words
from pullquote.errors import MissingExtraError
from pullquote.reading.backends.choose import choose
from pullquote.settings import Decision


def commands() -> list[str]:
    """All of them, "" for pullquote itself: "ask", "data", "data check", ..."""
    names = [""]
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        below = command.list_commands(context) if isinstance(command, click.Group) else []
        names += [name, *(f"{name} {child}" for child in below)]
    return names


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", commands())
def test_help_has_an_example_of_the_command_itself(call: Run, name: str, flag: str) -> None:
    out = call(*name.split(), flag).succeeded().out
    usage = f"Usage: pullquote {name}".strip()
    assert out.startswith(usage)
    examples = out[re.search(r"\n  Examples?:", out).start() :]  # type: ignore[union-attr]
    assert f"pullquote {name}".strip() in examples
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("name", commands())
def test_the_examples_of_the_help_are_valid_usage(call: Run, name: str) -> None:
    lines = re.findall(r"(?:^|\| |Example:)  *pullquote (.*)$", call(*name.split(), "-h").out, re.M)
    assert lines
    for line in lines:
        command, *arguments = shlex.split(line)
        found = cli.get_command(click.Context(cli), command)
        assert found is not None, line
        if isinstance(found, click.Group):
            found = found.get_command(click.Context(found), arguments.pop(0))
            assert found is not None, line
        found.make_context(command, arguments)


def test_every_option_says_what_it_does() -> None:
    for name in commands():
        command: click.Command = cli
        for part in name.split():
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), part)
            assert found is not None
            command = found
        silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
        assert silent == [], name


READER = "reading.reader:Reader"


@pytest.mark.parametrize(
    ("command", "option", "function"),
    [
        *(
            (command, option, READER)
            for command in ("ask", "batch", "fill", "highlight", "mcp")
            for option in ("model", "device", "precision")
        ),
        ("ask", "top_k", f"{READER}.answer"),
        ("batch", "rows", "scale.batch:batch"),
        ("batch", "top_k", "scale.answering:Columns"),
        ("card", "language", "publishing.card:card"),
        ("card", "licence", "publishing.card:card"),
        ("check", "min_words", "checking.check:Checker"),
        ("fill", "low", "scale.fill:table"),
        ("highlight", "least", f"{READER}.highlight"),
        ("push", "message", "publishing.push:push"),
        ("quantize", "max_loss", "publishing.bit_search:quantize_to_fit"),
        ("quantize", "questions", "publishing.bit_search:quantize_to_fit"),
        *(("serve", option, "serving.run:Serving") for option in ("host", "port", "workers")),
    ],
)
def test_the_default_of_an_option_is_the_library_s(
    command: str, option: str, function: str
) -> None:
    """Written twice where the module of the library would take long to import."""
    try:
        called = pkgutil.resolve_name(f"pullquote.{function}")
    except MissingExtraError as error:
        pytest.skip(str(error))
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    context = click.Context(found)
    (parameter,) = [one for one in found.params if one.name == option]
    default = parameter.process_value(context, parameter.get_default(context))
    assert default == inspect.signature(called).parameters[option].default


@pytest.mark.parametrize("name", commands())
def test_help_loads_nothing_heavy(run: Run, name: str) -> None:
    heavy = {"onnxruntime", "torch", "transformers", "pyarrow", "huggingface_hub", "onnx"}
    if name in ("", "data", "data check", "data convert", "data squad2", "models", "export"):
        heavy |= {"numpy", "tokenizers"}
    python = f"""
import sys
from pullquote.cli import main
try:
    main()
finally:
    loaded = {heavy!r} & set(sys.modules)
    assert not loaded, loaded
"""
    run(*name.split(), "--help", python=python).succeeded()


def test_the_version(call: Run) -> None:
    assert call("--version").succeeded().out == f"pullquote, version {pullquote.__version__}\n"


# ---- models


def test_models_lists_what_is_bundled(call: Run) -> None:
    head, *rows = call("models").succeeded().out.splitlines()
    assert head.split() == [
        *("name", "window", "decision", "weights", "MiB", "read", "by", "in", "directory")
    ]
    (row,) = [row for row in rows if row.startswith("small ")]
    name, window, rest = row.split(maxsplit=2)
    decision = open_model("small").config.decision()
    assert (name, window) == ("small", "384")
    assert rest.split("  ")[0] == decision_words(decision)
    choice = choose(open_model("small"))
    weights, size, package, precision, directory = rest.split("  ", 1)[1].split()
    assert (weights, package, precision) == (choice.file.name, choice.package, choice.precision)
    assert directory == str(BUNDLED / "small")
    assert float(size) == round(choice.file.stat().st_size / 2**20, 2)  # as README has it


def test_a_decision_in_words() -> None:
    assert decision_words(Decision(0.75)) == "answerable 75 %"
    assert decision_words(Decision(0.975)) == "answerable 97.5 %"
    assert decision_words(Decision(threshold=-1.77806)) == "threshold -1.778"


def test_the_model_card_of_a_bundled_model(call: Run) -> None:
    if not (BUNDLED / "small" / "README.md").is_file():
        pytest.skip("small has no model card yet")
    assert call("models", "small").succeeded().out.strip()


def test_a_model_card_cannot_steer_the_terminal(call: Run, model_dir: Path) -> None:
    (model_dir / "README.md").write_bytes(
        "# Café\n\n| a |\n\x1b[31m\x07 \x9b".encode() + b"\xff\n\n"
    )
    out = call("models", model_dir).succeeded().out
    assert out.startswith("# Café\n\n| a |\n\ufffd[31m\ufffd \ufffd\ufffd\n\nweights: ")


def test_models_says_which_of_a_directory_s_weights_are_read(call: Run, model_dir: Path) -> None:
    wanted = "weights: model.onnx, read by onnxruntime in fp32\n"
    assert call("models", model_dir).succeeded().out == wanted
