"""The pipeline with the bundled model, and a test for each fixed bug of 4.57.6."""

from __future__ import annotations

import json
import subprocess
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tokenizers import Tokenizer

from pullquote import QuestionAnsweringPipeline, pipeline
from pullquote.compat.pipeline import QuestionAnsweringArgumentHandler
from pullquote.compat.squad import SquadExample
from pullquote.errors import InputError, ModelError, PullquoteWarning
from pullquote.reading.backends.scripted import ScriptedBackend

CARD = "Manuel Romero has been working hardly in the repository hugginface/transformers lately"
NORSE = "The Norse, led by Rollo, came by sea."
WHO = "Who led the Norse?"


@pytest.fixture(scope="module")
def qa() -> QuestionAnsweringPipeline:
    return pipeline("question-answering")


# ---- the card


def test_the_examples_of_the_original_model_card(qa: QuestionAnsweringPipeline) -> None:
    who = qa(
        {
            "context": CARD,
            "question": "Who has been working hard for hugginface/transformers lately?",
        }
    )
    assert (who["answer"], who["start"], who["end"]) == ("Manuel Romero", 0, 13)
    which = qa({"context": CARD, "question": "For which company has worked Manuel Romero?"})
    assert "hugginface/transformers" in which["answer"]
    assert CARD[which["start"] : which["end"]] == which["answer"]


def test_it_answers_without_torch_or_transformers(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from pullquote import pipeline\n"
        f"print(pipeline('question-answering')(question={WHO!r}, context={NORSE!r})['answer'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "Rollo\n"


def test_results_are_plain_python(qa: QuestionAnsweringPipeline) -> None:
    found = qa(question=WHO, context=NORSE)
    assert {name: type(value) for name, value in found.items()} == {
        "score": float,
        "start": int,
        "end": int,
        "answer": str,
    }


def test_loading_options_of_transformers_are_accepted() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        qa = pipeline(
            "question-answering",
            model="small",
            tokenizer="small",
            device=-1,
            framework="pt",
            dtype="auto",
            batch_size=8,
            top_k=2,
        )
        assert len(qa(question=WHO, context=NORSE)) == 2
        assert isinstance(qa(question=WHO, context=NORSE, top_k=1), dict)


def test_another_task_or_an_unknown_model_is_an_error() -> None:
    with pytest.raises(KeyError, match="question-answering"):
        pipeline("fill-mask")
    with pytest.raises(ModelError, match="Bundled: small"):
        pipeline("question-answering", model="smal")


def test_a_generator_is_answered_lazily(qa: QuestionAnsweringPipeline) -> None:
    asked = []

    def questions() -> Any:
        for index in range(10_000):
            asked.append(index)
            yield {"question": WHO, "context": NORSE}

    results = qa(questions())
    assert isinstance(results, types.GeneratorType)
    assert next(results)["answer"] == "Rollo"
    assert len(asked) == 1


def test_a_bad_item_of_a_stream_raises_after_the_answers_before_it(
    qa: QuestionAnsweringPipeline,
) -> None:
    good = {"question": WHO, "context": NORSE}
    results = qa(item for item in [good, good, {"question": WHO}, good])
    assert [next(results)["answer"] for _ in range(2)] == ["Rollo"] * 2
    with pytest.raises(KeyError, match="context"):
        next(results)


def test_a_torch_dataset_is_answered_lazily(qa: QuestionAnsweringPipeline) -> None:
    data = pytest.importorskip("torch.utils.data")

    class Questions(data.Dataset):  # type: ignore[name-defined,misc]
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> dict[str, str]:
            return {"question": WHO, "context": NORSE}

    results = qa(Questions())
    assert not isinstance(results, list)
    assert [result["answer"] for result in results] == ["Rollo"] * 3


def test_the_argument_handler_makes_examples() -> None:
    (example,) = QuestionAnsweringArgumentHandler()(question=WHO, context=NORSE)
    assert isinstance(example, SquadExample)
    assert (example.question_text, example.context_text) == (WHO, NORSE)


def test_batched_equals_one_by_one(qa: QuestionAnsweringPipeline) -> None:
    contexts = [NORSE, CARD, "Nobody came. " * 20, NORSE * 3]
    together = qa(question=[WHO] * 4, context=contexts, top_k=3)
    for context, result in zip(contexts, together, strict=True):
        alone = qa(question=WHO, context=context, top_k=3)
        assert [answer["answer"] for answer in alone] == [answer["answer"] for answer in result]
        for one, other in zip(alone, result, strict=True):
            assert one["score"] == pytest.approx(other["score"], abs=1e-6)


# ---- scripted logits: what 4.57.6 did, and what is done here

Scripted: TypeAlias = Callable[..., tuple[QuestionAnsweringPipeline, QuestionAnsweringPipeline]]


@pytest.fixture
def both(model_dir: Path, wordpiece: Tokenizer) -> Scripted:
    """A scripted model with both scorings; `logits` has a value for each occurrence of a word."""

    def both(
        **logits: list[float],
    ) -> tuple[QuestionAnsweringPipeline, QuestionAnsweringPipeline]:
        values = {wordpiece.token_to_id(word): list(row) for word, row in logits.items()}

        def script(ids: list[int]) -> tuple[list[float], list[float]]:
            left = {id: list(row) for id, row in values.items()}
            row = [left[id].pop(0) if left.get(id) else -5.0 for id in ids]
            return row, row

        pipes = [QuestionAnsweringPipeline(model_dir, scoring=s) for s in ("pullquote", "hf4")]
        for pipe in pipes:
            pipe.backend = ScriptedBackend(script)
        return pipes[0], pipes[1]

    return both


def test_a_text_in_many_windows_never_scores_above_1(both: Scripted) -> None:
    fixed, hf4 = both(rollo=[8.0] * 9)
    context = "the river and the hills rollo the sea and the land " * 8
    options = {"max_seq_len": 24, "doc_stride": 6}
    assert hf4(question="who", context=context, **options)["score"] > 1.5
    assert 0 < fixed(question="who", context=context, **options)["score"] <= 1


def test_the_position_is_that_of_the_occurrence_with_the_highest_score(both: Scripted) -> None:
    # "rollo" is weak in the first window, which has "old" in it, and strong in the last
    fixed, hf4 = both()
    context = "rollo and the old land and hills " + "the river and the hills " * 4 + "rollo"
    options = {"max_seq_len": 20, "doc_stride": 4}

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        rollo = fixed.encoder.tokenizer.token_to_id("rollo")
        old = fixed.encoder.tokenizer.token_to_id("old")
        height = 1.0 if old in ids else 9.0
        row = [height if id == rollo else -5.0 for id in ids]
        return row, row

    fixed.backend = hf4.backend = ScriptedBackend(script)
    assert hf4(question="who", context=context, **options)["start"] == 0
    assert fixed(question="who", context=context, **options)["start"] == context.rindex("rollo")


def test_spans_of_all_windows_share_one_softmax(both: Scripted) -> None:
    # window 0 has logits of 4 and nothing beside them, window 1 has 9 and a rival of 9
    fixed, hf4 = both()
    context = "rollo and the hills " + "the river and the hills " * 4 + "duke and king"

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        values = {"rollo": 4.0, "duke": 9.0, "king": 8.5}
        by_id = {fixed.encoder.tokenizer.token_to_id(word): v for word, v in values.items()}
        row = [by_id.get(id, -9.0) for id in ids]
        return row, row

    fixed.backend = hf4.backend = ScriptedBackend(script)
    options = {"max_seq_len": 20, "doc_stride": 4, "max_answer_len": 1}
    assert hf4(question="who", context=context, **options)["answer"] == "rollo"
    assert fixed(question="who", context=context, **options)["answer"] == "duke"


def test_a_short_context_gives_fewer_answers_and_no_junk(both: Scripted) -> None:
    fixed, hf4 = both(rollo=[3.0])
    assert fixed(question="who", context="rollo", top_k=5)["answer"] == "rollo"
    assert {"score": 0.0, "start": 0, "end": 0, "answer": ""} in hf4(
        question="who", context="rollo", top_k=5
    )


def test_a_blank_context_has_no_answer_with_score_1(both: Scripted) -> None:
    fixed, hf4 = both()
    blank = {"start": 0, "end": 0, "answer": ""}
    assert fixed(question="who", context=" \n") == {"score": 1.0, **blank}
    assert hf4(question="who", context=" \n") == {"score": 0.0, **blank}


def test_top_k_may_equal_the_number_of_token_pairs(both: Scripted) -> None:
    # [CLS] who [SEP] rollo [SEP]: 25 pairs
    fixed, hf4 = both(rollo=[3.0])
    options = {"top_k": 25, "align_to_words": False}
    assert fixed(question="who", context="rollo", **options)["answer"] == "rollo"
    with pytest.raises(ValueError, match="out of bounds"):
        hf4(question="who", context="rollo", **options)


def test_a_large_stride_and_a_long_question_work(both: Scripted) -> None:
    fixed, hf4 = both(rollo=[3.0])
    context = "the river and the hills " * 6 + "rollo"
    options: dict[str, Any] = {"max_seq_len": 24, "doc_stride": 24}
    assert fixed(question="who", context=context, **options)["answer"] == "rollo"
    with pytest.raises(InputError, match="room"):
        hf4(question="who", context=context, **options)
    with pytest.warns(PullquoteWarning, match="only the first"):
        long = fixed(question="who " * 40, context=context, max_seq_len=24, doc_stride=4)
    assert long["answer"] == "rollo"
    with pytest.raises(InputError, match="room"):
        hf4(question="who " * 40, context=context, max_seq_len=24, doc_stride=4)


def test_max_question_len_is_honoured(both: Scripted) -> None:
    fixed, hf4 = both(rollo=[3.0])
    lengths = []

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        lengths.append(len(ids))
        return [0.0] * len(ids), [0.0] * len(ids)

    fixed.backend = hf4.backend = ScriptedBackend(script)
    with pytest.warns(PullquoteWarning, match="only the first 2"):
        fixed(question="who led the norse", context="rollo", max_question_len=2)
    hf4(question="who led the norse", context="rollo", max_question_len=2)
    assert lengths == [6, 8]


def test_unknown_options_are_warned_of(both: Scripted) -> None:
    fixed, hf4 = both(rollo=[3.0])
    with pytest.warns(PullquoteWarning, match="max_answer_length. Known are .*max_answer_len"):
        fixed(question="who", context="rollo", max_answer_length=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hf4(question="who", context="rollo", max_answer_length=3)


def test_other_keys_of_a_dictionary_are_ignored(both: Scripted) -> None:
    fixed, hf4 = both(rollo=[3.0])
    item = {"question": "who", "context": "rollo", "id": "7"}
    assert fixed(item)["answer"] == "rollo"
    with pytest.raises(TypeError, match="'id'"):
        hf4(item)


def test_several_contexts_give_one_ranking(both: Scripted) -> None:
    fixed, hf4 = both(rollo=[3.0], duke=[6.0])
    one = fixed(question="who", context=["rollo led"])
    assert (one["answer"], one["context"]) == ("rollo", 0)
    contexts = ["rollo led", "the duke of the land"]
    found = fixed(question="who", context=contexts, top_k=2)
    assert [(answer["answer"], answer["context"]) for answer in found] == [
        ("duke", 1),
        ("rollo", 0),
    ]
    assert sum(answer["score"] for answer in found) <= 1
    with pytest.raises(ValueError, match="text"):
        hf4(question="who", context=contexts)


def test_huge_logits_do_not_overflow(both: Scripted) -> None:
    fixed, _ = both(rollo=[3e6], duke=[1e6])
    found = fixed(question="who", context="rollo the duke", top_k=2, handle_impossible_answer=True)
    assert found[0]["answer"] == "rollo"
    assert found[0]["score"] == pytest.approx(1.0)


# ---- loaded models of transformers


def test_a_loaded_model_and_the_task_inside_transformers(hf_checkpoint: Path) -> None:
    transformers = pytest.importorskip("transformers")
    import pullquote.compat.transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(hf_checkpoint)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(hf_checkpoint)
    ours = QuestionAnsweringPipeline(model, tokenizer)(question=WHO, context=NORSE)
    assert NORSE[ours["start"] : ours["end"]] == ours["answer"]

    pullquote.compat.transformers.register()
    theirs = transformers.pipeline("question-answering", model=str(hf_checkpoint), device=-1)
    assert theirs(question=WHO, context=NORSE) == pytest.approx(ours)
    assert pullquote.compat.transformers.register() is False
    engine = QuestionAnsweringPipeline(hf_checkpoint)
    assert engine(question=WHO, context=NORSE) == pytest.approx(ours, abs=1e-5)
    named = QuestionAnsweringPipeline(model, str(hf_checkpoint))
    assert named(question=WHO, context=NORSE) == ours
    assert named.device == "cpu"


def test_token_types_are_left_out_where_the_tokenizer_says_so(hf_checkpoint: Path) -> None:
    question = {"question": WHO, "context": NORSE}
    with_types = QuestionAnsweringPipeline(hf_checkpoint)(question)
    config = hf_checkpoint / "tokenizer_config.json"
    settings = json.loads(config.read_text())
    settings["model_input_names"] = ["input_ids", "attention_mask"]
    config.write_text(json.dumps(settings))
    without = QuestionAnsweringPipeline(hf_checkpoint)(question)
    assert without["score"] != pytest.approx(with_types["score"])
    zeros = QuestionAnsweringPipeline(hf_checkpoint)
    zeros.encoder.types = 1
    assert zeros(question) == without


def test_a_tokenizer_that_pads_left_puts_the_context_first(
    model_dir: Path, wordpiece: Tokenizer
) -> None:
    (model_dir / "tokenizer_config.json").write_text('{"padding_side": "left"}')
    pipe = QuestionAnsweringPipeline(model_dir)
    rollo, who = (wordpiece.token_to_id(word) for word in ("rollo", "who"))
    seen = []

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        seen.append(ids)
        row = [5.0 if id == rollo else -5.0 for id in ids]
        return row, row

    pipe.backend = ScriptedBackend(script)
    found = pipe(question="who", context="rollo led")
    assert (found["answer"], found["start"], found["end"]) == ("rollo", 0, 5)
    assert seen[0].index(rollo) < seen[0].index(who)


# ---- several windows

WINDOWS = {"max_seq_len": 20, "doc_stride": 10, "max_answer_len": 1}
# the first window has "old" in it, another "sea", and both have "rollo"
SHARED = "old the river and the hills and rollo the land the king and the duke of the north sea"


def by_window(
    pipe: QuestionAnsweringPipeline, heights: dict[str, tuple[float, float]]
) -> ScriptedBackend:
    """A backend with given logits of "rollo" and [CLS] for windows with "old" and with "sea"."""
    word = pipe.encoder.tokenizer.token_to_id
    rollo, cls = word("rollo"), word("[CLS]")

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        height, null = next((h for w, h in heights.items() if word(w) in ids), (-9.0, -9.0))
        row = [null if id == cls else height if id == rollo else -9.0 for id in ids]
        return row, row

    return ScriptedBackend(script)


@pytest.mark.parametrize("higher", ["old", "sea"])
def test_a_span_of_two_windows_counts_once_at_its_higher_score(both: Scripted, higher: str) -> None:
    fixed, _ = both()
    heights = {word: (6.0 if word == higher else 2.0, -9.0) for word in ("old", "sea")}
    fixed.backend = by_window(fixed, heights)
    found = fixed(question="who", context=SHARED, **WINDOWS)
    assert found["answer"] == "rollo"
    assert found["score"] > 0.9


@pytest.mark.parametrize("answerable", ["old", "sea"])
def test_the_null_is_the_minimum_over_windows(both: Scripted, answerable: str) -> None:
    fixed, _ = both()
    nulls = {word: (6.0, -9.0 if word == answerable else 6.0) for word in ("old", "sea")}
    fixed.backend = by_window(fixed, nulls)
    found = fixed(question="who", context=SHARED, handle_impossible_answer=True, top_k=2, **WINDOWS)
    assert [answer["score"] for answer in found if not answer["answer"]] in ([], [pytest.approx(0)])


def test_a_word_in_two_windows_weighs_as_much_as_a_word_in_one(both: Scripted) -> None:
    fixed, _ = both()
    word = fixed.encoder.tokenizer.token_to_id
    seen: list[str] = []

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        seen.extend(name for name in ("hills", "rollo") if word(name) in ids)
        row = [6.0 if id in (word("hills"), word("rollo")) else -9.0 for id in ids]
        return row, row

    fixed.backend = ScriptedBackend(script)
    found = fixed(question="who", context=SHARED, top_k=2, **WINDOWS)
    assert sorted(seen) == ["hills", "rollo", "rollo"]
    assert {answer["answer"] for answer in found} == {"hills", "rollo"}
    assert found[0]["score"] == pytest.approx(found[1]["score"])


@pytest.mark.parametrize("filler", [10, 60, 250])
def test_a_long_context_lowers_a_score_only_slightly(
    qa: QuestionAnsweringPipeline, filler: int
) -> None:
    valley = "The weather in the valley was mild, and farmers sowed barley before the rains. "
    found = qa(question=WHO, context=valley * filler + NORSE)
    assert found["answer"] == "Rollo"
    assert found["score"] > 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": "3"}, "top_k is '3', expected a whole number"),
        ({"top_k": 3.0}, "top_k is 3.0, expected a whole number"),
        ({"handle_impossible_answer": "false"}, "handle_impossible_answer is 'false'"),
        ({"doc_stride": -1}, "doc_stride"),
    ],
)
def test_options_of_a_wrong_type_are_errors(
    qa: QuestionAnsweringPipeline, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        qa(question=WHO, context=NORSE, **options)


def test_an_object_that_is_no_model_is_an_error() -> None:
    with pytest.raises(InputError, match="the model is int"):
        pipeline("question-answering", model=5)


def test_a_model_without_a_question_answering_head_is_an_error(hf_checkpoint: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModel.from_pretrained(hf_checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(hf_checkpoint)
    with pytest.raises(ModelError, match="BertModel gives no start_logits"):
        pipeline("question-answering", model=model, tokenizer=tokenizer)(WHO, NORSE)


class Column:
    """As pandas, Polars and datasets have them: iterable, neither list nor text."""

    def __init__(self, values: list[str]) -> None:
        self.values = values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)


def test_columns_are_lists() -> None:
    qa = pipeline("question-answering", model="tiny")
    questions = ["Who led the Norse?", "How did they come?"]
    contexts = ["The Norse, led by Rollo, came by sea."] * 2
    wanted = qa(question=questions, context=contexts)
    assert qa(question=Column(questions), context=Column(contexts)) == wanted
    assert qa(question=Column(questions), context=contexts[0]) == wanted
    assert qa({"question": Column(questions), "context": Column(contexts)}) == wanted
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"q": questions, "c": contexts})
    assert qa(question=table["q"], context=table["c"]) == wanted
