"""The loop: it learns, it resumes to the bit, and what goes wrong loses nothing."""

from __future__ import annotations

import json
import operator
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from lessons import lesson, make_recipe
from pullquote import Reader
from pullquote.data.formats import save
from pullquote.errors import (
    ConfigError,
    DataError,
    ModelError,
    OutputError,
    PullquoteWarning,
    TrainingError,
)
from pullquote.reading.backends.torch import load_checkpoint
from pullquote.settings import Calibration
from pullquote.training import data as data_module
from pullquote.training import evaluation
from pullquote.training import train as module
from pullquote.training.data import training_examples
from pullquote.training.recipe import Recipe
from pullquote.training.start import open_start
from pullquote.training.state import Run
from pullquote.training.teacher import fingerprint, soft_labels
from pullquote.training.train import train

ONE_STEP = {"epochs": 0.01, "evaluations": 1}


def weights(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


def log(directory: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_lesson_is_learned_and_the_model_answers(recipe: Recipe, tmp_path: Path) -> None:
    report = train(recipe, tmp_path / "run")
    assert report.evaluation is not None
    assert report.evaluation.scores.f1 > 90
    losses = [entry["loss"] for entry in log(tmp_path / "run") if "loss" in entry]
    assert losses[-1] < losses[0] / 2
    reader = Reader(tmp_path / "run")
    assert reader.answer("who led?", "the king led by rollo came from the hills").text == "rollo"
    config = reader.config
    assert config.threshold_fitted_on.startswith("tune.jsonl: best F1 over 60 questions")
    assert config.calibration.fitted_on.startswith("tune.jsonl: likelihood over 60 questions")
    assert config.answerable is None


def test_a_share_of_answerable_questions_is_chosen_on_data_that_looks_like_use(
    base: Path, lessons: tuple[Path, Path], tmp_path: Path
) -> None:
    use = tmp_path / "use.jsonl"
    save([example for example in lesson(30, first=300) if example.answers], use)
    train(make_recipe(base, lessons, answerable_from=str(use)), tmp_path / "run")
    config = Reader(tmp_path / "run").config
    assert config.answerable is not None
    assert config.answerable > 0.5  # all have an answer
    assert config.answerable_chosen_on.startswith("use.jsonl: most right minus wrong answers over")
    assert config.calibration.fitted_on


def test_held_out_data_of_one_kind_fits_nothing(
    base: Path, lessons: tuple[Path, Path], tmp_path: Path
) -> None:
    tune = tmp_path / "tune.jsonl"
    save([example for example in lesson(30, first=100) if example.answers], tune)
    report = train(make_recipe(base, lessons, tune=str(tune), **ONE_STEP), tmp_path / "run")
    assert report.evaluation is not None
    config = Reader(tmp_path / "run").config
    assert (config.threshold_fitted_on, config.calibration) == ("", Calibration())


def test_progress_counts_steps_and_tells_loss_speed_and_time_left(
    recipe: Recipe, tmp_path: Path
) -> None:
    told: list[tuple[int, int, str]] = []
    report = train(recipe, tmp_path / "run", progress=lambda *call: told.append(call))
    speeds = [call for call in told if "tokens/s" in call[2]]
    form = re.compile(r"loss \d+\.\d{3}, \d{1,3}(,\d{3})* tokens/s, \d+:\d\d:\d\d left")
    assert all(form.fullmatch(doing) for _, _, doing in speeds)
    assert {(report.steps // 2, report.steps), (report.steps, report.steps)} <= {
        (done, total) for done, total, _ in speeds
    }
    assert speeds[-1][2].endswith("tokens/s, 0:00:00 left")
    assert told[0] == (0, 0, "tokenising, 0%")


def test_what_stands_in_the_directory_of_a_run(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(recipe, out)
    model = {"config.json", "model.safetensors", "reader.json", "tokenizer.json"}
    assert {path.name for path in out.iterdir()} == {
        *model,
        *("recipe.toml", "log.jsonl", "curve.png", "last"),
    }
    assert {path.name for path in (out / "last").iterdir()} == {*model, "state.pt"}
    assert Recipe.from_toml(out / "recipe.toml") == recipe
    assert (out / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    evaluated = [entry for entry in log(out) if "balanced_f1" in entry]
    assert [entry["epoch"] for entry in evaluated] == [3.0, 6.0]


def test_the_best_checkpoint_stays_when_a_later_one_is_worse(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = iter([80.0, 70.0])
    monkeypatch.setattr(evaluation, "balanced_f1", lambda measured: next(marks))
    train(recipe, tmp_path / "run")
    best, last = weights(tmp_path / "run"), weights(tmp_path / "run" / "last")
    assert not same(best, last)


def test_a_run_that_goes_on_ends_with_the_weights_of_one_that_never_stopped(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(recipe, dropout=0.1, average=0.9, save_minutes=0.0)
    train(recipe, tmp_path / "whole")
    step = module._step
    for end in (5, 17):  # in the first half, and after the first evaluation

        def stop(run: Run, micros: object, end: int = end) -> float:
            if run.state.step == end:
                raise KeyboardInterrupt
            return step(run, micros)  # type: ignore[arg-type]

        monkeypatch.setattr(module, "_step", stop)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, tmp_path / "run", resume=end > 5)
    monkeypatch.setattr(module, "_step", step)
    train(recipe, tmp_path / "run", resume=True)
    for folder in (".", "last"):
        assert same(weights(tmp_path / "whole" / folder), weights(tmp_path / "run" / folder))
    steps = [entry["step"] for entry in log(tmp_path / "run") if "balanced_f1" in entry]
    assert steps == [entry["step"] for entry in log(tmp_path / "whole") if "balanced_f1" in entry]


def test_a_killed_process_goes_on_to_the_same_bits(recipe: Recipe, tmp_path: Path) -> None:
    recipe = replace(recipe, epochs=40.0, save_minutes=0.0)
    (tmp_path / "r.toml").write_text(recipe.to_toml())

    def start(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pullquote", "train", "r.toml", *options]
        return subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"})

    assert start("-o", "whole").wait(120) == 0
    killed = start("-o", "run")
    state = tmp_path / "run" / "last" / "state.pt"
    while not state.exists():
        assert killed.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)  # somewhere in the middle of a step or of a save
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(60) == -signal.SIGKILL
    assert start("-o", "run", "--resume").wait(120) == 0
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "run"))


def test_two_processes_train_the_model_of_one(recipe: Recipe, tmp_path: Path) -> None:
    # With the usual epsilon, Adam makes steps of gradients that are rounding and nothing else.
    recipe = replace(recipe, epochs=1.0, adam_epsilon=1e-3)
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    train(recipe, tmp_path / "one")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    command += ["-m", "pullquote", "train", "r.toml", "-o", "two"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().count("steps in") == 1  # one of them speaks
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
    start = weights(Path(recipe.model))
    moved = max((one[name] - start[name]).abs().max().item() for name in one if name in start)
    assert moved > 0.01  # far more than what they may differ by


def test_the_averaged_weights_are_the_ones_that_are_kept(recipe: Recipe, tmp_path: Path) -> None:
    train(replace(recipe, **ONE_STEP), tmp_path / "plain")
    train(replace(recipe, **ONE_STEP, average=0.99), tmp_path / "averaged")
    plain, averaged = weights(tmp_path / "plain"), weights(tmp_path / "averaged")
    start = weights(Path(recipe.model))
    name = "qa_outputs.weight"
    # after one step: 2/11 of the way back to the start
    expected = start[name] + (plain[name] - start[name]) * 9 / 11
    torch.testing.assert_close(averaged[name], expected)


@pytest.mark.parametrize("teacher", ["soft_weight", "hidden_weight", "relation_weight"])
def test_a_student_comes_to_answer_as_its_teacher(
    recipe: Recipe, tmp_path: Path, teacher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path / "cache"))
    train(recipe, tmp_path / "teacher")
    taught = replace(
        recipe,
        model="L1-H64",
        tokenizer=recipe.model,
        teacher=(str(tmp_path / "teacher"),),
        label_weight=0.0,
        **{teacher: 1.0},
    )
    train(taught, tmp_path / "student")
    losses = [entry["loss"] for entry in log(tmp_path / "student") if "loss" in entry]
    assert losses[-1] < 0.8 * losses[0]
    if teacher == "soft_weight":  # the others teach what goes on inside, and no head
        questions = lesson(30, first=300)
        texts = [
            [p.answers[0].text for p in Reader(tmp_path / name).answer_all(questions)]
            for name in ("teacher", "student")
        ]
        alike = list(map(operator.eq, *texts))
        assert sum(a for a, q in zip(alike, questions, strict=True) if q.answers) >= 18  # of 20
    # projections that hidden states are learned through stay behind
    assert all(name.startswith(("bert.", "qa_outputs.")) for name in weights(tmp_path / "student"))


def test_a_loss_that_is_no_number_stops_and_keeps_what_was_good(
    recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    broken = replace(recipe, learning_rate=1.0, max_grad_norm=0.0, epochs=60.0, evaluations=60)
    step = module._step

    def poisoned(run: Run, micros: object) -> float:
        if run.state.step == 15:
            with torch.no_grad():
                run.learner.parameters[0].fill_(float("nan"))
        return step(run, micros)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_step", poisoned)
        with pytest.raises(TrainingError, match=r"step 16: the loss is nan.*lower learning_rate"):
            train(broken, out)
    assert all(value.isfinite().all() for value in weights(out).values())
    assert torch.load(out / "last" / "state.pt", weights_only=True)["step"] < 16


def test_a_full_disk_leaves_the_last_good_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    recipe = replace(recipe, save_minutes=0.0)
    step = module._step

    def filling(run: Run, micros: object) -> float:
        if run.state.step == 10:  # from now on no file may be longer than this
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, unlimited))
        return step(run, micros)  # type: ignore[arg-type]

    limit, unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_step", filling)
        try:
            with pytest.raises(OutputError, match=r"state\.pt: cannot be written .* make room"):
                train(recipe, out)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited))
    assert torch.load(out / "last" / "state.pt", weights_only=True)["step"] == 10
    assert not list((out / "last").glob(".pullquote-*"))
    train(recipe, out, resume=True)


# ---- what cannot be trained


def test_a_directory_with_another_run_is_left_alone(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(replace(recipe, **ONE_STEP), out)
    before = weights(out)
    with pytest.raises(ConfigError, match="holds another run; choose another place"):
        train(recipe, out)
    with pytest.raises(ConfigError, match=r"epochs = 0\.01, this one has 6"):
        train(recipe, out, resume=True)
    assert same(weights(out), before)
    with pytest.raises(ConfigError, match="the model to start from"):
        train(replace(recipe, model=str(out)), out, overwrite=True)
    (out / "model.onnx").write_bytes(b"the older weights")
    (out / "NOTICE").write_text("of the older model")
    train(replace(recipe, **ONE_STEP, seed=1), out, overwrite=True)
    assert not same(weights(out), before)
    assert not (out / "model.onnx").exists()  # a reader would prefer it
    assert not (out / "NOTICE").exists()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["config.json", "model.onnx"], "holds a model; choose another place"),
        (["recipe.toml", "config.json", "model.onnx"], "holds a model"),  # exported from a run
        (["last/config.json"], "holds last, which is not of a run and would be removed"),
        (["log.jsonl"], "holds log.jsonl, which is not of a run"),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_what_no_run_has_made_is_left_alone(
    recipe: Recipe, tmp_path: Path, files: list[str], said: str, resume: bool
) -> None:
    for name in files:
        file = tmp_path / "out" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(recipe.to_toml())
    with pytest.raises(ConfigError, match=said):
        train(recipe, tmp_path / "out", resume=resume)
    assert all((tmp_path / "out" / name).read_text() == recipe.to_toml() for name in files)


def test_a_run_goes_on_with_its_own_teachers_alone(
    base: Path, recipe: Recipe, tmp_path: Path
) -> None:
    teacher = Path(shutil.copytree(base, tmp_path / "teacher"))
    taught = replace(recipe, **ONE_STEP, teacher=(str(teacher),), soft_weight=1.0)
    train(taught, tmp_path / "run")
    train(taught, tmp_path / "run", resume=True)
    other = {name: tensor + 1 for name, tensor in weights(teacher).items()}
    save_file(other, teacher / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match="its run had other teachers than"):
        train(taught, tmp_path / "run", resume=True)


def test_a_teacher_in_torch_is_asked_in_the_precision_of_the_run(
    base: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def remember(teachers: list[Reader], *rest: object) -> object:
        asked.extend((reader.backend.precision, fingerprint(reader)) for reader in teachers)
        return soft_labels(teachers, *rest)

    monkeypatch.setattr(data_module, "soft_labels", remember)
    for precision in ("fp32", "bf16"):
        taught = replace(recipe, **ONE_STEP, teacher=(str(base),), soft_weight=1.0)
        train(replace(taught, precision=precision), tmp_path / precision)
    (exact, name), (half, another) = asked
    assert (exact, half) == ("float32", "bfloat16")
    assert name != another


def test_a_run_may_have_a_bundled_models_name(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train(replace(recipe, **ONE_STEP, model="tiny"), "tiny")
    train(replace(recipe, **ONE_STEP, model="tiny"), "tiny", resume=True)
    assert weights(Path("tiny"))["bert.embeddings.word_embeddings.weight"].shape == (30522, 128)


def test_what_cannot_begin_leaves_an_older_run_as_it_is(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(replace(recipe, **ONE_STEP), out)
    before = weights(out)
    with pytest.raises(DataError):
        train(replace(recipe, train=("absent.json",)), out, overwrite=True)
    assert same(weights(out), before)
    assert (out / "last" / "state.pt").exists()


def test_a_run_that_ended_before_its_first_save_begins_again(
    recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.warns(PullquoteWarning, match="no saved state; the run starts") as caught:
        train(replace(recipe, **ONE_STEP), tmp_path / "run", resume=True)
    assert [Path(warning.filename).name for warning in caught] == ["test_train.py"]
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_a_run_goes_on_with_its_own_data_alone(
    base: Path, lessons: tuple[Path, Path], tmp_path: Path
) -> None:
    data = Path(shutil.copy(lessons[0], tmp_path / "train.jsonl"))
    recipe = make_recipe(base, (data, lessons[1]), **ONE_STEP)
    train(recipe, tmp_path / "run")
    save(lesson(59), data)
    with pytest.raises(ConfigError, match="its run had other data"):
        train(recipe, tmp_path / "run", resume=True)


def test_what_a_kill_left_behind_is_cleared_away(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    recipe = replace(recipe, **ONE_STEP)
    train(recipe, out)
    (out / "last" / ".pullquote-half.pt").write_bytes(b"half a save")
    train(recipe, out, resume=True)
    assert not list(out.rglob(".pullquote-*"))


def test_the_precision_that_auto_means_is_written_down(recipe: Recipe, tmp_path: Path) -> None:
    train(replace(recipe, **ONE_STEP, precision="auto"), tmp_path / "run")
    assert Recipe.from_toml(tmp_path / "run" / "recipe.toml").precision in ("bf16", "fp32")
    train(replace(recipe, **ONE_STEP, precision="auto"), tmp_path / "run", resume=True)


def test_data_without_answers_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    silent = [replace(example, answers=()) for example in lesson(9)]
    save(silent, tmp_path / "silent.jsonl")
    with pytest.raises(DataError, match="no question of the training data has an answer"):
        train(replace(recipe, train=(str(tmp_path / "silent.jsonl"),)), tmp_path / "run")
    with pytest.raises(ConfigError, match="train names no data"):
        train(replace(recipe, train=()), tmp_path / "other")
    # what could not begin is no run that would be in the way of the next
    assert not (tmp_path / "run").exists()


def test_a_teacher_with_another_vocabulary_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    taught = replace(recipe, teacher=("small",), soft_weight=1.0)
    with pytest.raises(ConfigError, match="teacher small: another vocabulary"):
        train(taught, tmp_path / "run")


def test_inner_states_need_a_teacher_in_torch(
    base: Path, lessons: tuple[Path, Path], tmp_path: Path
) -> None:
    recipe = make_recipe(base, lessons, model="L2-H128", teacher="small", hidden_weight=1.0)
    with pytest.raises(ModelError, match=r"small: no model\.safetensors"):
        train(recipe, tmp_path / "run")


def test_relations_of_a_family_with_attention_of_its_own_cannot_be_seen(
    recipe: Recipe, base: Path, tmp_path: Path
) -> None:
    config = transformers.DebertaV2Config(
        vocab_size=Reader(base).encoder.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=2,
        num_hidden_layers=1,
        max_position_embeddings=64,
        type_vocab_size=2,
    )
    other = tmp_path / "deberta"
    transformers.DebertaV2ForQuestionAnswering(config).save_pretrained(other)
    shutil.copy(base / "tokenizer.json", other)
    taught = replace(recipe, model=str(other), teacher=(str(base),), relation_weight=1.0)
    with pytest.raises(ModelError, match="relations of DebertaV2ForQuestionAnswering cannot be"):
        train(taught, tmp_path / "run")


def test_relation_heads_must_divide_both_widths(recipe: Recipe, tmp_path: Path) -> None:
    taught = replace(recipe, teacher=(recipe.model,), relation_weight=1.0, relation_heads=5)
    with pytest.raises(ConfigError, match="relation_heads is 5, expected a divisor"):
        train(taught, tmp_path / "run")


def test_a_window_longer_than_the_model_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    long = replace(recipe, max_length=100, micro_tokens=100)
    with pytest.raises(ConfigError, match=r"max_length is 100, .* has 64 positions"):
        train(long, tmp_path / "run")


def test_without_tune_data_the_last_checkpoint_is_kept(recipe: Recipe, tmp_path: Path) -> None:
    report = train(replace(recipe, tune="", **ONE_STEP), tmp_path / "run")
    assert report.evaluation is None
    assert same(weights(tmp_path / "run"), weights(tmp_path / "run" / "last"))
    assert Reader(tmp_path / "run").config.no_answer_threshold == 0


def test_what_is_left_out_of_the_data_is_said(recipe: Recipe, tmp_path: Path) -> None:
    rows = [
        {"id": str(n), "question": "who led?", "context": "led by rollo", "answers": answers}
        for n, answers in enumerate(
            [{"text": ["rollo"], "answer_start": [7]}, {"text": ["rollo"], "answer_start": [0]}]
        )
    ]
    file = tmp_path / "half.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.warns(
        PullquoteWarning, match=r"half\.jsonl: 1 question .* 1 dropped; the first one"
    ):
        assert len(training_examples(replace(recipe, train=(str(file),)))) == 1


# ---- starts


def test_a_base_encoder_gets_a_head_that_its_seed_decides(
    base: Path, recipe: Recipe, tmp_path: Path
) -> None:
    shutil.copytree(base, tmp_path / "encoder")
    transformers.BertForQuestionAnswering.from_pretrained(base).bert.save_pretrained(
        tmp_path / "encoder"
    )
    headless = replace(recipe, model=str(tmp_path / "encoder"))
    heads = [open_start(replace(headless, seed=seed)).model.qa_outputs.weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_a_deep_shape_can_start_from_a_shallow_one(recipe: Recipe, tmp_path: Path) -> None:
    shallow = replace(recipe, model="L2-H64", tokenizer=recipe.model)
    train(replace(shallow, **ONE_STEP), tmp_path / "shallow")
    deep = open_start(replace(shallow, model="L5-H64", stack=str(tmp_path / "shallow"))).model
    source, stacked = weights(tmp_path / "shallow"), deep.state_dict()
    for layer, origin in enumerate((0, 1, 0, 1, 0)):  # heads that look at something
        name = "bert.encoder.layer.{}.attention.self.query.weight"
        assert torch.equal(stacked[name.format(layer)], source[name.format(origin)])
    # and what writes nothing yet: the deep one says what the shallow one says
    ids = torch.randint(5, 100, (3, 20), generator=torch.manual_seed(0))
    with torch.inference_mode():
        says = deep.eval()(input_ids=ids).start_logits
        said = load_checkpoint(tmp_path / "shallow")(input_ids=ids).start_logits
    torch.testing.assert_close(says, said, rtol=0, atol=0.05 * said.std().item())
    with pytest.raises(ConfigError, match="has hidden_size 64, L2-H128 has 128; expected the same"):
        open_start(replace(shallow, model="L2-H128", stack=str(tmp_path / "shallow")))


def test_a_checkpoint_of_the_old_form_is_converted(
    base: Path, recipe: Recipe, wordpiece: Tokenizer, tmp_path: Path
) -> None:
    """As Google's miniatures are on the hub: a pickle of weights, and vocab.txt."""
    old = tmp_path / "old"
    old.mkdir()
    ids = wordpiece.get_vocab()
    words = [*sorted(ids, key=ids.__getitem__), "[MASK]"]
    (old / "vocab.txt").write_text("\n".join(words))
    config = transformers.BertConfig.from_pretrained(base, vocab_size=len(words))
    config.save_pretrained(old)
    model = transformers.BertForQuestionAnswering(config)
    torch.save(model.state_dict(), old / "pytorch_model.bin")
    start = open_start(replace(recipe, model=str(old)))
    weight = start.model.state_dict()["qa_outputs.weight"]
    torch.testing.assert_close(weight, model.qa_outputs.weight.detach())
    (window,) = start.encoder.windows("who led?", "the norse led by rollo")
    assert window.input_ids.tolist() == wordpiece.encode("who led?", "the norse led by rollo").ids


def test_a_pickle_that_holds_code_is_not_run(base: Path, recipe: Recipe, tmp_path: Path) -> None:
    old = Path(shutil.copytree(base, tmp_path / "old"))
    (old / "model.safetensors").unlink()

    class Evil:
        def __reduce__(self) -> object:
            return (Path.touch, (tmp_path / "run by a pickle",))

    torch.save({"a": Evil()}, old / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be converted to safetensors"):
        open_start(replace(recipe, model=str(old)))
    assert not (tmp_path / "run by a pickle").exists()


def test_heads_of_any_family_are_trained(tmp_path: Path, recipe: Recipe, base: Path) -> None:
    """DistilBERT has other names, and no token types."""
    config = transformers.DistilBertConfig(
        vocab_size=Reader(base).encoder.vocab_size,
        dim=32,
        hidden_dim=64,
        n_heads=2,
        n_layers=1,
        max_position_embeddings=64,
    )
    other = tmp_path / "distil"
    transformers.DistilBertForQuestionAnswering(config).save_pretrained(other)
    shutil.copy(base / "tokenizer.json", other)
    report = train(replace(recipe, model=str(other), epochs=1.0), tmp_path / "run")
    assert report.steps > 5
    assert Reader(tmp_path / "run").answer("who led?", "the norse led by rollo").answers
