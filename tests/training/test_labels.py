"""A teacher's logits in a file: nearly the same logits, found again by what a window reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

from lessons import lesson, make_recipe
from pullquote.data.formats import save
from pullquote.errors import ConfigError, DataError, PullquoteWarning
from pullquote.reading.encode import Encoder
from pullquote.settings import ReaderConfig
from pullquote.training.augment import REWORDED
from pullquote.training.data import (
    load_training_data,
    reworded_windows,
    training_examples,
    with_reworded,
)
from pullquote.training.distributed import start_processes
from pullquote.training.label import label
from pullquote.training.labels import TOP, Labels, window_keys
from pullquote.training.recipe import Recipe
from pullquote.training.start import open_start
from pullquote.training.train import train
from pullquote.training.windows import PADDING, LabelledWindows, SoftLabels, encode
from pullquote.types import Example, Span

CONTEXT = "the norse led by rollo came from the sea"
ROLLO = (Span("rollo", 17, 22),)


def windows_of(lengths: list[int]) -> LabelledWindows:
    """Windows of random tokens."""
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.random.default_rng(0).integers(0, 30_000, bounds[-1])
    count = len(lengths)
    return LabelledWindows(
        ids.astype(np.int32),
        np.zeros(bounds[-1], dtype=np.uint8),
        bounds,
        np.zeros((count, 2), dtype=np.int32),
        np.arange(count, dtype=np.int32),
        pad_id=0,
    )


def logits_of(windows: LabelledWindows) -> SoftLabels:
    start, end = np.random.default_rng(1).normal(0, 4, (2, len(windows.ids))).astype(np.float16)
    return SoftLabels(start, end)


def softmax(logits: NDArray[np.float16]) -> NDArray[np.float64]:
    weights = np.exp(logits.astype(np.float64))
    return weights / weights.sum()


@pytest.mark.parametrize("null", [0, -1])
def test_a_file_keeps_the_likeliest_tokens_and_the_weight_of_the_others(
    tmp_path: Path, null: int
) -> None:
    windows = windows_of([40, 9, 10, 200, 40, 384])
    soft = logits_of(windows)
    Labels.of(soft, windows, null).save(tmp_path / "labels.npz")
    found, same, after = Labels.load(tmp_path / "labels.npz").find(windows, null)
    assert found.tolist() == list(range(6))
    assert same.fingerprint() == windows.fingerprint()
    for row in range(6):
        tokens = slice(windows.bounds[row], windows.bounds[row + 1])
        for flat, kept in ((soft.start, after.start), (soft.end, after.end)):
            true, told = softmax(flat[tokens]), softmax(kept[tokens])
            others = np.delete(np.arange(len(true)), null)
            top = [*others[np.argsort(true[others])[-TOP:]], null]
            # what all others weigh is rounded to 11 bits, 2^-7 at logits of up to 16
            np.testing.assert_allclose(told[top], true[top], rtol=1e-2)
            rest = np.setdiff1d(np.arange(len(true)), np.array(top) % len(true))
            if len(rest):
                assert told[rest].sum() == pytest.approx(true[rest].sum(), rel=2e-2)
                assert np.ptp(told[rest]) == 0


def test_all_logits_of_a_short_window_are_kept(tmp_path: Path) -> None:
    windows = windows_of([2, 3, 8, 9])  # a null token and at most eight others
    soft = logits_of(windows)
    _, _, after = Labels.of(soft, windows).find(windows)
    assert after.start.tolist() == soft.start.tolist()
    assert after.end.tolist() == soft.end.tolist()


def test_impossible_tokens_stay_impossible() -> None:
    windows = windows_of([30])
    start = np.full(30, PADDING, dtype=np.float16)
    start[[0, 7, 9]] = 1, 2, 3
    _, _, after = Labels.of(SoftLabels(start, start), windows).find(windows)
    np.testing.assert_allclose(softmax(after.start), softmax(start), atol=1e-6)


def test_windows_are_found_in_any_order_and_others_are_not() -> None:
    windows = windows_of([20, 12, 30, 12, 25])
    soft = logits_of(windows)
    labels = Labels.of(soft, windows.part(1, 4).subset(np.array([2, 0, 0])))
    assert len(labels) == 2  # two of the three are one
    part = SoftLabels(soft.start[20:], soft.end[20:])
    labels = Labels.of(part, windows.part(1, 4))
    order = np.array([4, 3, 1, 3, 0])
    found, kept, after = labels.find(windows.subset(order))
    assert found.tolist() == [1, 2, 3]
    assert window_keys(kept).tolist() == window_keys(windows)[[3, 1, 3]].tolist()
    third = slice(windows.bounds[3], windows.bounds[4])
    assert softmax(after.start[:12]) == pytest.approx(softmax(soft.start[third]), abs=1e-3)
    assert after.start[24:].tolist() == after.start[:12].tolist()
    found, kept, after = labels.find(windows.part(0, 1))
    assert (len(found), len(kept), len(after.start)) == (0, 0, 0)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"

    def refused(message: str) -> None:
        with pytest.raises(DataError, match=rf"labels\.npz: {message}"):
            Labels.load(path)

    refused("no file of labels")
    windows = windows_of([20, 30, 8])
    Labels.of(logits_of(windows), windows).save(path)
    whole = path.read_bytes()
    arrays = dict(np.load(path))
    for damaged in (b"", whole[:300], whole[: len(whole) // 2], b"\x93NUMPY" + whole, b"[1, 2]"):
        path.write_bytes(damaged)
        refused("no file of labels")
    with open(path, "wb") as file:
        np.save(file, arrays["keys"])
    refused("no file of labels")
    np.savez(path, keys=arrays["keys"])
    refused("no file of labels")
    np.savez(path, **{**arrays, "format": np.array(2)})
    refused("labels in format 2; this version reads format 1, make them again")
    for name, other in (
        ("places", arrays["places"][:, :, :4]),
        ("null", arrays["null"][1:]),
        ("rest", arrays["rest"].astype(np.float32)),
    ):
        np.savez(path, **{**arrays, name: other})
        refused("its arrays do not fit together")
    np.savez(path, **{name: array[:0] if array.ndim else array for name, array in arrays.items()})
    refused("its arrays do not fit together")


# ---- training on them


@pytest.fixture
def teacher(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that has learned the lesson."""
    monkeypatch.setenv("PULLQUOTE_CACHE", str(tmp_path / "cache"))
    train(recipe, tmp_path / "teacher")
    return tmp_path / "teacher"


def test_labels_teach_what_their_teacher_does(
    recipe: Recipe, teacher: Path, tmp_path: Path
) -> None:
    questions = [replace(example, question="who led the old norse?") for example in lesson(60)]
    save(questions, tmp_path / "train.jsonl")
    taught = replace(
        recipe,
        train=(str(tmp_path / "train.jsonl"),),
        teacher=(str(teacher),),
        soft_weight=1.0,
        label_weight=0.0,
        augment=("moved", *REWORDED),
        max_question_length=12,
        adam_epsilon=1e-3,
        epochs=2.0,
    )
    told: list[str] = []
    report = label(taught, tmp_path / "labels.npz", progress=lambda *call: told.append(call[2]))
    assert {"tokenising", "asking the teacher"} == set(told)
    assert report.bytes == (tmp_path / "labels.npz").stat().st_size
    labelled = replace(taught, teacher=(), labels=str(tmp_path / "labels.npz"))
    encoder, accelerator = open_start(taught).encoder, start_processes()
    one, other = (load_training_data(r, encoder, accelerator) for r in (taught, labelled))
    assert one.fingerprint() == other.fingerprint()
    assert len(one.windows) > 60
    assert one.soft_labels is not None
    assert other.soft_labels is not None
    # questions in other words need no labels
    assert report.windows < len(np.unique(window_keys(one.windows))) - 10

    train(taught, tmp_path / "one")
    train(labelled, tmp_path / "other")
    start, first, second = (
        load_file(folder / "model.safetensors")
        for folder in (Path(recipe.model), tmp_path / "one" / "last", tmp_path / "other" / "last")
    )

    def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
        return sum(float((a[name] - b[name]).square().sum()) for name in start) ** 0.5

    assert distance(first, second) < 0.1 * distance(start, first)

    # other labels are other teachers
    labels = Labels.load(tmp_path / "labels.npz")
    replace(labels, null=labels.null + np.float16(1)).save(tmp_path / "labels.npz")
    with pytest.raises(ConfigError, match="its run had other teachers"):
        train(labelled, tmp_path / "other", resume=True)


def test_windows_without_labels_are_counted_and_left_out(
    base: Path, lessons: tuple[Path, Path], recipe: Recipe, tmp_path: Path
) -> None:
    some, file = tmp_path / "some.jsonl", tmp_path / "labels.npz"
    save(lesson(21), some)  # of the 60, some read the same
    label(replace(recipe, train=(str(some),), teacher=(str(base),), soft_weight=1.0), file)
    labelled = make_recipe(base, lessons, labels=str(file))
    assert labelled.soft_weight == 1
    with pytest.warns(PullquoteWarning, match=r"labels\.npz: has no labels for 6 of 60 windows"):
        data = load_training_data(labelled, open_start(recipe).encoder, start_processes())
    assert len(data.windows) == 54
    with pytest.warns(PullquoteWarning, match="which are left out") as caught:
        train(replace(labelled, epochs=0.1, evaluations=1), tmp_path / "run")
    assert [Path(warning.filename).name for warning in caught] == ["test_labels.py"]
    other = [replace(example, question="who came?") for example in lesson(9)]
    save(other, some)
    with pytest.raises(DataError, match="has no labels for any of the 9 windows"):
        train(replace(labelled, train=(str(some),)), tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"teacher": ["tiny"]}, "labels and teacher both say where logits come from"),
        ({"soft_weight": 0.0}, "labels hold a teacher's logits alone, which soft_weight weighs"),
        ({"soft_weight": 1.0, "hidden_weight": 1.0}, "hidden_weight and relation_weight 0"),
    ],
)
def test_recipes_that_labels_do_not_fit(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Recipe.from_values({"labels": "labels.npz", **options})


def test_labels_need_a_teacher_who_makes_them(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="label needs a teacher"):
        label(recipe, tmp_path / "labels.npz")


# ---- questions in other words


@pytest.fixture(params=[False, True], ids=["question first", "context first"])
def encoder(
    request: pytest.FixtureRequest, wordpiece: Tokenizer, tiny_config: ReaderConfig
) -> Encoder:
    tokenizer = Tokenizer.from_str(wordpiece.to_str())
    return Encoder(tokenizer, tiny_config, context_first=request.param)


def numbered(count: int) -> SoftLabels:
    """Another logit for each token."""
    return SoftLabels(np.arange(count, dtype=np.float16), -np.arange(count, dtype=np.float16))


def test_a_reworded_question_has_the_labels_of_its_origin(encoder: Encoder) -> None:
    examples = [
        Example("0", "where is the sea?", CONTEXT, ROLLO),
        Example("a", "who led the norse?", CONTEXT, ROLLO),
        Example("a-keywords", "led norse", CONTEXT, ROLLO),
        Example("a-misspelt2", "who led the nors?", CONTEXT, ROLLO),
    ]
    windows = encode(examples, encoder)
    own, alike = reworded_windows(examples, windows)
    assert own.tolist() == [0, 1]
    assert alike == {2: 1, 3: 1}
    soft = numbered(int(windows.bounds[2]))
    both, logits = with_reworded(windows, own, alike, soft, encoder)
    assert both.fingerprint() == windows.fingerprint()
    assert both.labels.tolist() == windows.labels.tolist()
    assert logits.start[: len(soft.start)].tolist() == soft.start.tolist()

    def context(row: int) -> slice:
        (window,) = encoder.windows(examples[row].question, CONTEXT)
        begin = int(windows.bounds[row]) + window.context_start
        return slice(begin, begin + len(window.offsets))

    for row in (2, 3):
        assert logits.start[context(row)].tolist() == soft.start[context(1)].tolist()
        assert logits.end[context(row)].tolist() == soft.end[context(1)].tolist()
        null = windows.bounds[row] if encoder.template.null == 0 else windows.bounds[row + 1] - 1
        assert logits.start[null] == soft.start[windows.bounds[1]]
        # no answer starts in the words that the origin does not have
        tokens = logits.start[windows.bounds[row] : windows.bounds[row + 1]]
        assert (tokens == PADDING).any()


def test_labels_of_a_question_in_other_words_need_those_of_its_origin(encoder: Encoder) -> None:
    long = CONTEXT + " and the river rises in the hills" * 4
    examples = [
        Example("a", "who led?", CONTEXT, ROLLO),
        Example("b", "who led?", long, ROLLO),
        Example("c-keywords", "who came?", CONTEXT, ROLLO),  # there is no c: its own id
        Example("b-keywords", "led", long, ROLLO),
        Example("a-keywords", "led", CONTEXT, ROLLO),
    ]
    windows = encode(examples, encoder)
    counts = np.bincount(windows.examples).tolist()
    assert counts[1] > 1
    own, alike = reworded_windows(examples, windows)
    assert sorted(set(windows.examples[own].tolist())) == [0, 1, 2]
    last = len(windows) - 1
    assert alike == {last: 0}

    own = own[1:]  # the origin has no labels
    soft = numbered(int(windows.lengths[own].sum()))
    both, logits = with_reworded(windows, own, alike, soft, encoder)
    assert both.examples.tolist() == windows.examples[own].tolist()
    assert logits.start.tolist() == soft.start.tolist()


def test_training_leaves_out_questions_of_several_windows_in_other_words(
    base: Path, recipe: Recipe, tmp_path: Path
) -> None:
    long = CONTEXT + " and the river rises in the hills" * 4
    save([Example("b", "who led the old norse?", long, ROLLO)], tmp_path / "train.jsonl")
    taught = replace(
        recipe,
        train=(str(tmp_path / "train.jsonl"),),
        augment=("misspelt",),
        augment_share=2.0,
        max_question_length=16,
        max_length=40,
        teacher=(str(base),),
        soft_weight=1.0,
    )
    examples = training_examples(taught)
    assert [example.id for example in examples] == ["b", "b-misspelt", "b-misspelt1"]
    encoder = open_start(taught).encoder
    data = load_training_data(taught, encoder, start_processes())
    assert data.soft_labels is not None
    assert len(data.windows) == len(encode(examples[:1], encoder))
    assert len(data.soft_labels.start) == len(data.windows.ids)
