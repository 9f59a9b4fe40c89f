"""pullquote train, distil, card, push, models --family, run-squad --do_train: from the terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Run
from click.testing import CliRunner

from pullquote import Reader
from pullquote.cli.train import command as train_command
from pullquote.cli.train import resolve
from pullquote.data.formats import save
from pullquote.errors import ConfigError
from pullquote.reading.backends import native_library
from pullquote.settings import ReaderConfig
from pullquote.training.recipe import Recipe
from pullquote.types import Example, Span

LENGTHS = ("--max-length", 32, "--overlap", 8, "--max-question-length", 8)
SHORT = (*LENGTHS, "--max-answer-length", 4, "--tokens", 64, "--micro-tokens", 64)


def questions(count: int) -> Iterator[Example]:
    for number in range(count):
        name = ("rollo", "duke", "king")[number % 3]
        context = f"the norse led by {name} came from the sea"
        span = Span(name, 17, 17 + len(name))
        yield Example(str(number), "who led?", context, () if number % 2 else (span,), "norse")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    save(questions(12), tmp_path / "data.jsonl")
    return tmp_path / "data.jsonl"


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    """Enough of both kinds to calibrate scores on."""
    save(questions(40), tmp_path / "tune.jsonl")
    return tmp_path / "tune.jsonl"


@pytest.fixture
def vocabulary(tmp_path: Path, wordpiece: Any) -> Path:
    """A directory with a tokenizer, which a shape may take its vocabulary from."""
    folder = tmp_path / "vocabulary"
    folder.mkdir()
    wordpiece.save(str(folder / "tokenizer.json"))
    return folder


def test_a_model_is_trained_from_a_shape_and_described(
    call: Run, data: Path, tune: Path, vocabulary: Path
) -> None:
    done = call(
        *("train", "--model", "L1-H64", "--tokenizer", vocabulary, "--train", data),
        *("--tune", tune, "--epochs", 2, "-o", "run", *SHORT),
    ).succeeded()
    assert re.search(r"^run: 6 steps in [\d.]+ minutes$", done.out, re.M)
    assert "tune, both kinds weighted equally: F1 " in done.out
    config = Reader("./run").config
    assert config.max_length == 32
    threshold = config.no_answer_threshold
    assert done.out.splitlines()[-3:] == [
        f"threshold {threshold:.4f}: {config.threshold_fitted_on}",
        f"calibrated scores: {config.calibration.fitted_on}",
        f"stored with the model; decision: threshold {threshold:.4g}",
    ]

    done = call("card", "run", "--data", data, "--dataset", "rajpurkar/squad_v2")
    assert done.code == 0
    assert "read in int8" in done.err or not native_library.available()
    assert "| data.jsonl | 12 |" in Path("run/README.md").read_text()
    call("card", "run", "--data", data).failed("run/README.md: there is a card; give --force")
    assert call("card", "run", "--data", data, "--force").code == 0
    assert call("models", "./run").succeeded().out.startswith("---\nlanguage: ")


def test_a_run_chooses_its_share_of_answerable_questions(
    call: Run, data: Path, tune: Path, vocabulary: Path
) -> None:
    start = ("train", "--model", "L1-H64", "--tokenizer", vocabulary, "--train", data, *SHORT)
    use = ("--answerable-from", data)
    call(*start, *use, "-o", "run").failed("answerable_from needs tune")
    lost = call(*start, "--tune", tune, "--answerable-from", "absent.json", "-o", "run")
    lost.failed("absent.json: no such file")
    assert not Path("run/log.jsonl").exists()  # before training, not after it
    done = call(*start, "--tune", tune, *use, "-o", "run").succeeded()
    config = Reader("./run").config
    assert config.answerable is not None
    share = f"answerable {100 * config.answerable:.4g} %"
    assert done.out.splitlines()[-2:] == [
        f"{share}: data.jsonl: most right minus wrong answers over 12 questions, 6 of them "
        "answerable",
        f"stored with the model; decision: {share}",
    ]


def test_an_export_is_fitted_and_says_what_was_fitted(
    call: Run, base: Path, data: Path, tune: Path
) -> None:
    fit = ("--data", tune, "--fit-threshold")
    out = call("export", base, "-o", "one", *fit).succeeded().out
    config = Reader("./one").config
    assert config.answerable is None
    assert f"\nthreshold {config.no_answer_threshold:.4f}: tune.jsonl: best F1 over 40" in out
    assert "\ncalibrated scores: tune.jsonl: likelihood over 40" in out
    assert out.endswith(f"; decision: threshold {config.no_answer_threshold:.4g}\n")
    out = call("export", base, "-o", "two", *fit, "--answerable-from", data).succeeded().out
    config = Reader("./two").config
    assert config.answerable is not None
    share = f"answerable {100 * config.answerable:.4g} %"
    assert f"\n{share}: data.jsonl: most right minus wrong answers over 12 questions" in out
    assert out.endswith(f"; decision: {share}\n")


def test_a_recipe_and_flags_go_together(
    call: Run, data: Path, vocabulary: Path, tmp_path: Path
) -> None:
    (tmp_path / "my.toml").write_text(
        f'model = "L1-H64"\ntokenizer = "{vocabulary}"\ntrain = "{data}"\nepochs = 9\n'
    )
    done = call("train", "my.toml", "--max-steps", 2, "-o", "run", *SHORT)
    assert done.code == 0
    assert "no tune data was given: the last checkpoint is kept" in done.err
    kept = Recipe.from_toml("run/recipe.toml")
    assert (kept.epochs, kept.max_steps, kept.train) == (9.0, 2, (str(data),))
    call("train", "my.toml", "-o", "run").failed("run: holds another run", "--resume")
    call("train", "my.toml", "-o", "run", "--resume").failed("max_length = 32, this one has 384")
    assert call("train", "my.toml", "--max-steps", 2, "-o", "run", "--resume", *SHORT).code == 0


@pytest.mark.parametrize("spec", fields(Recipe), ids=lambda spec: spec.name)
def test_every_key_of_a_recipe_is_a_flag(spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    other: Any = {str: "x", tuple: ["x"], int: 3, float: 0.5}[type(spec.default)]
    if choices := spec.metadata["choices"]:
        other = [choices[-1]] if isinstance(spec.default, tuple) else choices[-1]
    seen: list[dict[str, Any]] = []

    def resolved(recipe: str | None, flags: dict[str, Any]) -> Recipe:
        seen.append({k: v for k, v in flags.items() if v is not None and v != ()})
        raise ConfigError("seen enough")

    monkeypatch.setattr("pullquote.cli.train.resolve", resolved)
    word = other[0] if isinstance(other, list) else other
    flag = f"--{spec.name.replace('_', '-')}"
    CliRunner().invoke(train_command, ["-o", "out", flag, str(word)])
    expected = tuple(other) if isinstance(other, list) else other
    assert seen == [{spec.name: expected}]


def test_flags_that_are_not_given_leave_the_defaults() -> None:
    flags = {spec.name: () if isinstance(spec.default, tuple) else None for spec in fields(Recipe)}
    assert resolve(None, flags) == Recipe()
    assert resolve(None, {**flags, "augment": ("moved", "cloze")}).augment == ("moved", "cloze")


def test_a_student_is_distilled(
    call: Run,
    data: Path,
    tune: Path,
    vocabulary: Path,
    model_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PULLQUOTE_CACHE", "cache")
    start = ("--model", "L1-H64", "--tokenizer", vocabulary, "--train", data, "--tune", tune)
    call("distil", *start, "-o", "run", *SHORT).failed("distill needs a teacher", code=2)
    call("distil", *start, "--teacher", model_dir, "-o", "run", *SHORT).succeeded()
    assert Recipe.from_toml("run/recipe.toml").soft_weight == 1.0
    assert len(list(Path("cache/teachers").iterdir())) == 1
    call("distil", *start, "--teacher", "small", "-o", "other", *SHORT).failed(
        "teacher small: another vocabulary", "expected the student's own"
    )


def test_a_student_is_distilled_from_labels_in_a_file(
    call: Run,
    data: Path,
    tune: Path,
    vocabulary: Path,
    model_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PULLQUOTE_CACHE", "cache")
    call("label", "--train", data, "-o", "l.npz").failed("label needs a teacher", code=2)
    call("label", "--teacher", model_dir, "-o", "l.npz").failed("train names no data")
    asked = ("--train", data, "--augment", "moved", *SHORT)
    call("label", *asked, "--teacher", model_dir, "-o", "absent/../.").failed(": a folder; ")
    done = call("label", *asked, "--teacher", model_dir, "-o", "out/l.npz").succeeded()
    first, second = done.out.splitlines()
    size = Path("out/l.npz").stat().st_size
    assert re.fullmatch(rf"out/l\.npz: \d+ windows, {size:,} bytes", first)
    assert second == "train on them: pullquote train ... --labels out/l.npz"

    start = ("train", "--model", "L1-H64", "--tokenizer", vocabulary, *asked, "--tune", tune)
    call(*start, "--labels", "out/l.npz", "-o", "run").succeeded()
    recipe = Recipe.from_toml("run/recipe.toml")
    assert (recipe.labels, recipe.teacher, recipe.soft_weight) == ("out/l.npz", (), 1.0)
    lost = call(*start, "--labels", data, "-o", "other")
    lost.failed("data.jsonl: no file of labels", "expected one that `pullquote label` wrote")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--learning-rate", "7"), ("learning_rate is 7.0, expected 0 to 1",)),
        (("--model", "L2-H100"), ("the shape L2-H100", "multiple of 64")),
        (("--model", "nowhere/at/all"), ("nowhere/at/all: no such model",)),
        (("--train", "absent.json"), ("absent.json: no such file",)),
        (("absent.toml",), ("absent.toml: no such file",)),
    ],
)
def test_what_cannot_be_trained_is_one_line(
    call: Run, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    call("train", "--model", "L2-H128", *arguments, "-o", "run").failed(*words)


def test_answers_outside_their_contexts_are_counted(
    call: Run, tmp_path: Path, vocabulary: Path
) -> None:
    rows = [
        {
            "id": example.id,
            "question": example.question,
            "context": example.context,
            "answers": {"text": ["rollo"], "answer_start": [0]},
        }
        for example in questions(3)
    ]
    (tmp_path / "wrong.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    call(
        *("train", "--model", "L1-H64", "--tokenizer", vocabulary, "--train", "wrong.jsonl"),
        *("-o", "run", *SHORT),
    ).failed("wrong.jsonl", "rollo")


def test_the_family_is_listed(call: Run) -> None:
    out = call("models", "--family").succeeded().out
    assert len(out.splitlines()) == 3 + 24
    assert "L2-H128         4.37 M    16.67      453  google/bert_uncased_L-2_H-128_A-2" in out
    call("models", "small", "--family").failed("leave NAME out", code=2)


def test_push_needs_a_card_and_a_hub(
    call: Run, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **options: object) -> None:
        raise ConnectionError("no hub here")

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", refuse)
    call("push", model_dir, "me/mine").failed("no model card (README.md)", "pullquote card")
    (model_dir / "README.md").write_text("# mine")
    call("push", model_dir, "me/mine").failed("me/mine: the hub did not take it", "HF_TOKEN")


# ---- run-squad --do_train


def checkpoint(folder: Path, vocabulary: Path) -> Path:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=len(json.loads((vocabulary / "tokenizer.json").read_text())["model"]["vocab"]),
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=2,
        num_hidden_layers=1,
        max_position_embeddings=128,
    )
    transformers.BertModel(config).save_pretrained(folder)  # a base encoder: no head yet
    (folder / "tokenizer.json").write_text((vocabulary / "tokenizer.json").read_text())
    return folder


def test_run_squad_trains_and_then_answers_with_what_it_trained(
    call: Run, tmp_path: Path, vocabulary: Path
) -> None:
    save(questions(12), tmp_path / "train-v2.0.json")
    save(questions(6), tmp_path / "dev-v2.0.json")
    flags = (
        *("run-squad", "--model_type", "bert", "--do_lower_case", "--version_2_with_negative"),
        *("--model_name_or_path", checkpoint(tmp_path / "base", vocabulary)),
        *("--data_dir", ".", "--output_dir", "out", "--max_seq_length", "128"),
        *("--max_query_length", "16", "--doc_stride", "32", "--per_gpu_train_batch_size", "4"),
        *("--num_train_epochs", "2", "--learning_rate", "1e-3"),
    )
    done = call(*flags, "--do_train", "--do_eval")
    assert done.code == 0, done.err
    assert "out: 6 steps in" in done.out  # 12 windows in fours, twice
    names = {path.name for path in Path("out").iterdir()}
    model = {"config.json", "model.safetensors", "tokenizer.json"}
    assert {*model, "predictions_.json", "nbest_predictions_.json", "null_odds_.json"} <= names
    assert len(json.loads(Path("out/predictions_.json").read_text())) == 6

    call(*flags, "--do_train").failed("out: already exists", "--overwrite_output_dir")
    lost = (*flags, "--do_train", "--overwrite_output_dir", "--train_file", "absent.json")
    call(*lost).failed("absent.json: no such file")
    assert Path("out/model.safetensors").exists()  # nothing is removed before all is ready
    other = ("--do_train", "--tokenizer_name", "small")
    call(*flags, *other, "--overwrite_output_dir").failed("--tokenizer_name", code=2)
    assert call(*flags, "--do_train", "--overwrite_output_dir").code == 0


def test_run_squads_defaults_are_the_scripts_own() -> None:
    from pullquote.compat.run_squad import SquadTraining, squad_recipe

    recipe = squad_recipe(SquadTraining(model_name_or_path="m", train_file="t.json"))
    assert (recipe.windows, recipe.epochs, recipe.learning_rate, recipe.seed) == (8, 3, 5e-5, 42)
    assert (recipe.weight_decay, recipe.adam_epsilon, recipe.max_grad_norm) == (0, 1e-8, 1)
    assert (recipe.dropout, recipe.precision, recipe.schedule) == (0.1, "fp32", "linear")
    # the longest question leaves 317 tokens of 384, of which neighbours share all but 128
    assert (recipe.max_length, recipe.overlap) == (384, 317 - 128)
    assert asdict(recipe.reader_config()).keys() == asdict(ReaderConfig()).keys()


def test_a_bar_shows_what_training_says(call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pullquote.cli.console import progress_bar

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown: list[str] = []
    monkeypatch.setattr("click._termui_impl.echo", lambda text="", **_: shown.append(text))
    with progress_bar("training", words=True) as progress:
        progress(5, 10, "loss 1.250, 61,400 tokens/s, 1:02:05 left")
        progress(5, 10, "evaluating")
    text = "".join(shown)
    assert "loss 1.250, 61,400 tokens/s, 1:02:05 left" in text
    assert "evaluating" in text
