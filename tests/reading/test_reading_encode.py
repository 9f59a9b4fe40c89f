"""Encoding: the pair template, windows, offsets, labels, and errors for invalid input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from pullquote.errors import ConfigError, InputError, ModelError, PullquoteWarning
from pullquote.reading import encode
from pullquote.reading.encode import Encoder, Template
from pullquote.reading.tokenizer import TextTokenizer
from pullquote.settings import ReaderConfig
from pullquote.types import Example, Span, Window

QUESTION = "Who led the Norse?"
CONTEXT = "The Norse, led by Rollo, came by sea."
WIDE = ReaderConfig()

# What the three kinds of tokenizer see differently: blanks, accents, wide letters, emoji.
TEXT = st.text(alphabet="ab1,. \n\t\u00a0éE\u0301東ﬁ😀\u200b", max_size=120)


def context_ids(window: Window) -> list[int]:
    first = window.context_start
    return window.input_ids[first : first + len(window.offsets)].tolist()


def encoder(tokenizer: Tokenizer, config: ReaderConfig = WIDE, **options: int) -> Encoder:
    return Encoder(Tokenizer.from_str(tokenizer.to_str()), config, **options)


def altered(tokenizer: Tokenizer, **parts: object) -> Tokenizer:
    """The tokenizer with other parts in its tokenizer.json."""
    return Tokenizer.from_str(json.dumps({**json.loads(tokenizer.to_str()), **parts}))


# ---- the template


def test_bert_template_is_read_from_the_tokenizer(wordpiece: Tokenizer) -> None:
    cls, sep = wordpiece.token_to_id("[CLS]"), wordpiece.token_to_id("[SEP]")
    template = Template.of(TextTokenizer(wordpiece).pair)
    assert (template.before, template.between, template.after) == ((cls,), (sep,), (sep,))
    assert (template.first_type, template.second_type, template.after_types) == (0, 1, (1,))
    assert len(template) == 3


def test_roberta_template_is_read_from_the_tokenizer(byte_level: Tokenizer) -> None:
    template = Template.of(TextTokenizer(byte_level).pair)
    assert (template.before, template.between, template.after) == ((0,), (2, 2), (2,))
    assert (template.first_type, template.second_type) == (0, 0)
    assert len(template) == 4


def test_where_specials_stand_at_the_end_the_last_token_means_no_answer(
    wordpiece: Tokenizer,
) -> None:
    processor = json.loads(wordpiece.to_str())["post_processor"]
    processor["pair"] = [*processor["pair"][1:], processor["pair"][0]]  # q [SEP] c [SEP] [CLS]
    reader = encoder(altered(wordpiece, post_processor=processor))
    assert reader.template.null == -1
    (window,) = reader.windows(QUESTION, CONTEXT)
    assert window.null_index == len(window) - 1
    assert window.input_ids[window.null_index] == wordpiece.token_to_id("[CLS]")
    assert reader.label(window, Example("", QUESTION, CONTEXT)) == (window.null_index,) * 2


def test_window_equals_the_tokenizers_own_pair(tokenizer: Tokenizer) -> None:
    (window,) = encoder(tokenizer).windows(QUESTION, CONTEXT)
    pair = tokenizer.encode(QUESTION, CONTEXT)
    assert window.input_ids.tolist() == pair.ids
    assert window.token_type_ids.tolist() == pair.type_ids
    side = [index for index, side in enumerate(pair.sequence_ids) if side == 1]
    assert window.context_start == side[0]
    assert window.offsets.tolist() == [list(pair.offsets[index]) for index in side]


def test_a_model_with_one_token_type_gets_zeros(wordpiece: Tokenizer) -> None:
    (window,) = encoder(wordpiece, type_vocab_size=1).windows(QUESTION, CONTEXT)
    assert not window.token_type_ids.any()


def test_truncation_and_padding_inside_the_tokenizer_file_are_reset(wordpiece: Tokenizer) -> None:
    bounded = Tokenizer.from_str(wordpiece.to_str())
    bounded.enable_truncation(4)
    bounded.enable_padding(length=99)
    (window,) = encoder(bounded).windows(QUESTION, CONTEXT)
    assert window.input_ids.tolist() == wordpiece.encode(QUESTION, CONTEXT).ids


@pytest.mark.parametrize(
    ("kind", "text"), [("wordpiece", "[SEP]"), ("wordpiece", "[CLS] [PAD]"), ("byte_level", "</s>")]
)
def test_the_name_of_a_special_token_in_a_text_is_text(
    kind: str, text: str, request: pytest.FixtureRequest
) -> None:
    # (Unigram models are left out: these names are pieces of their vocabulary.)
    reader = encoder(request.getfixturevalue(kind))
    special = [*reader.template.before, *reader.template.between, *reader.template.after]
    (window,) = reader.windows(text, text)
    assert set(special).isdisjoint(context_ids(window))
    assert np.isin(window.input_ids, special).sum() == len(special)


# ---- windows


def test_windows_by_example(wordpiece: Tokenizer) -> None:
    config = ReaderConfig(max_length=10, max_question_length=1, overlap=4, max_answer_length=2)
    context = "the river rises in the hills and ends"
    windows = encoder(wordpiece, config).windows("who", context)
    assert [wordpiece.decode(context_ids(window)) for window in windows] == [
        "the river rises in the hills",
        "rises in the hills and ends",
    ]


@pytest.mark.parametrize(("words", "expected"), [(6, 1), (7, 2), (8, 2), (9, 3)])
def test_a_window_more_begins_with_the_first_token_that_does_not_fit(
    wordpiece: Tokenizer, words: int, expected: int
) -> None:
    # room for 6 context tokens, of which two windows share 4
    config = ReaderConfig(max_length=10, max_question_length=1, overlap=4, max_answer_length=2)
    windows = list(encoder(wordpiece, config).windows("who", "river " * words))
    assert len(windows) == expected


@given(
    tokens=st.integers(1, 80),
    question=st.integers(1, 6),
    answer=st.integers(1, 5),
    more_overlap=st.integers(0, 6),
    room=st.integers(1, 12),
)
def test_windows_see_every_token_share_the_overlap_and_split_no_answer(
    wordpiece: Tokenizer, tokens: int, question: int, answer: int, more_overlap: int, room: int
) -> None:
    overlap = 2 * answer + more_overlap
    config = ReaderConfig(
        max_length=6 + 3 + overlap + room,  # question, special tokens, and room to advance
        overlap=overlap,
        max_question_length=6,
        max_answer_length=answer,
    )
    context = " ".join("abcdefghij"[index % 10] for index in range(tokens))  # one token a letter
    windows = list(encoder(wordpiece, config).windows(" ".join("x" * question), context))
    starts = [int(window.offsets[0, 0]) // 2 for window in windows]
    ends = [int(window.offsets[-1, 1] + 1) // 2 for window in windows]

    assert all(len(window) <= config.max_length for window in windows)
    assert starts[0] == 0
    assert ends[-1] == tokens
    assert all(end - start == overlap for end, start in zip(ends, starts[1:], strict=False))
    for first in range(tokens):
        last = min(first + answer, tokens)
        assert any(
            start <= first and last <= end for start, end in zip(starts, ends, strict=True)
        ), f"the answer of tokens {first} to {last} is whole in no window"


def test_a_question_of_full_length_still_leaves_room_for_each_kind_of_template(
    tokenizer: Tokenizer, tiny_config: ReaderConfig
) -> None:
    with pytest.warns(PullquoteWarning, match="max_question_length"):
        windows = list(encoder(tokenizer, tiny_config).windows("what " * 20, CONTEXT * 5))
    assert len(windows) > 1
    assert all(len(window) == tiny_config.max_length for window in windows[:-1])


def test_settings_that_leave_no_room_beside_the_special_tokens_are_refused(
    wordpiece: Tokenizer,
) -> None:
    config = ReaderConfig(max_length=15, overlap=8, max_question_length=4, max_answer_length=4)
    with pytest.raises(ConfigError, match="leaves 8 context tokens"):
        encoder(wordpiece, config)


def test_a_batch_is_padded_on_the_right_and_masked(wordpiece: Tokenizer) -> None:
    reader = encoder(wordpiece)
    (short,) = reader.windows("who", "rollo")
    (long,) = reader.windows("who", "the duke rollo")
    batch = reader.batch([short, long])
    assert batch.input_ids.shape == (2, len(long))
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1, 0, 0], [1] * 7]
    assert batch.input_ids[0, : len(short)].tolist() == short.input_ids.tolist()
    assert batch.token_type_ids[0].tolist() == [*short.token_type_ids.tolist(), 0, 0]
    assert {array.dtype for array in (batch.input_ids, batch.attention_mask)} == {np.dtype("int64")}


# ---- long contexts


@settings(max_examples=150, deadline=None)
@given(context=TEXT, piece=st.integers(1, 30))
def test_a_context_in_pieces_gives_the_tokens_of_the_whole(
    tokenizer: Tokenizer, context: str, piece: int
) -> None:
    whole = encoder(tokenizer)._tokenize(context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "_PIECE", piece)
        pieces = encoder(tokenizer)._tokenize(context)
    assert pieces.ids.tolist() == whole.ids.tolist()
    assert pieces.offsets.tolist() == whole.offsets.tolist()
    if whole.words is not None and len(whole.ids):
        assert pieces.words is not None
        assert pieces.words.tolist() == whole.words.tolist()


def test_a_long_context_is_cut_into_pieces_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_PIECE", 4)
    text = "the river  rises\nin the hills"
    pieces = [text[start:end] for start, end in encode._pieces(text)]
    assert pieces == ["the river  rises\nin", " the", " hills"]


@pytest.mark.parametrize("text", ["東京は日本の首都" * 5, "a word\na line\n" * 5, "e\u0301" * 20])
def test_a_long_context_without_spaces_is_cut_between_letters(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "_PIECE", 4)
    monkeypatch.setattr(encode, "_SEARCH", 0)
    pieces = [text[start:end] for start, end in encode._pieces(text)]
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 7
    assert not any(piece.startswith("\u0301") for piece in pieces)


def test_a_context_of_many_questions_is_tokenised_once(
    wordpiece: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenised: list[str] = []
    original = TextTokenizer.encode

    def counting(self: TextTokenizer, text: str) -> object:
        tokenised.append(text)
        return original(self, text)

    monkeypatch.setattr(TextTokenizer, "encode", counting)
    reader = encoder(wordpiece)
    for question in ("who", "what", "when", "where"):
        assert list(reader.windows(question, CONTEXT))
    assert tokenised.count(CONTEXT) == 1
    assert len(tokenised) == 5


# ---- what is hardly text


def test_a_long_question_is_cut_with_a_warning(
    wordpiece: Tokenizer, tiny_config: ReaderConfig
) -> None:
    reader = encoder(wordpiece, tiny_config)
    with pytest.warns(PullquoteWarning, match=r"20 tokens; only the first 8 .*max_question_length"):
        (window,) = reader.windows("what " * 20, "rollo")
    assert window.context_start == 1 + 8 + 1


@pytest.mark.parametrize("question", ["", "  ", "\n\t\u3000"])
def test_a_blank_question_is_an_input_error(tokenizer: Tokenizer, question: str) -> None:
    with pytest.raises(InputError, match="question is blank"):
        list(encoder(tokenizer).windows(question, CONTEXT))


def test_a_question_of_characters_that_the_tokenizer_drops_is_blank(wordpiece: Tokenizer) -> None:
    with pytest.raises(InputError, match="question is blank"):
        list(encoder(wordpiece).windows("\x00\u200b", CONTEXT))


@pytest.mark.parametrize("value", [None, 3, b"bytes", ["a"]])
def test_an_input_that_is_not_text_is_an_input_error(wordpiece: Tokenizer, value: object) -> None:
    reader = encoder(wordpiece)
    with pytest.raises(InputError, match=r"the question is .*expected text"):
        list(reader.windows(value, CONTEXT))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"the context is .*expected text"):
        list(reader.windows(QUESTION, value))  # type: ignore[arg-type]


@pytest.mark.parametrize("context", ["", " ", "\n\r\n\t"])
def test_a_blank_context_has_no_window_or_none_with_a_word(
    tokenizer: Tokenizer, context: str
) -> None:
    for window in encoder(tokenizer).windows(QUESTION, context):
        assert all(not context[start:end].strip() for start, end in window.offsets)


@pytest.mark.parametrize("odd", ["\x00", "\ud800", "\udfff\ud83d", "\ufeff", "\u2028"])
def test_offsets_stay_true_around_odd_characters(tokenizer: Tokenizer, odd: str) -> None:
    context = f"{odd}rollo {odd} led{odd} the norse"
    (window,) = encoder(tokenizer).windows(f"who{odd}?", context)
    covered = {index for start, end in window.offsets.tolist() for index in range(start, end)}
    letters = {index for index, character in enumerate(context) if character.isascii()}
    letters -= {index for index, character in enumerate(context) if character in " \x00"}
    assert letters <= covered
    assert max(covered) == len(context) - 1


# ---- tokenizers that cannot be used


def test_a_tokenizer_without_a_token_for_no_answer_is_refused(wordpiece: Tokenizer) -> None:
    with pytest.raises(ModelError, match="no special token before or after a pair"):
        Encoder(altered(wordpiece, post_processor=None), WIDE)


def test_a_template_that_puts_the_context_first_is_refused(wordpiece: Tokenizer) -> None:
    processor = json.loads(wordpiece.to_str())["post_processor"]
    processor["pair"] = processor["pair"][:1] + processor["pair"][1:][::-1]
    with pytest.raises(ModelError, match="second text first"):
        Encoder(altered(wordpiece, post_processor=processor), WIDE)


def test_a_template_without_a_context_is_refused(wordpiece: Tokenizer) -> None:
    processor = json.loads(wordpiece.to_str())["post_processor"]
    processor["pair"] = processor["single"]
    with pytest.raises(ModelError, match="no token for the text"):
        Encoder(altered(wordpiece, post_processor=processor), WIDE)


def test_a_panic_of_the_tokenizer_is_a_model_error(wordpiece: Tokenizer) -> None:
    processor = json.loads(wordpiece.to_str())["post_processor"]
    processor["special_tokens"] = {}
    with pytest.raises(ModelError, match="cannot work with this tokenizer"):
        Encoder(altered(wordpiece, post_processor=processor), WIDE)


def test_a_tokenizer_that_fails_on_a_text_is_a_model_error(wordpiece: Tokenizer) -> None:
    vocabulary = {"[CLS]": 0, "[SEP]": 1, "a": 2}
    narrow = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    narrow.pre_tokenizer = wordpiece.pre_tokenizer
    narrow.post_processor = wordpiece.post_processor
    with pytest.raises(ModelError, match="Missing \\[UNK\\]"):
        list(Encoder(narrow, WIDE).windows("a", "a b"))


# ---- labels


def spans(context: str, *texts: str) -> tuple[Span, ...]:
    return tuple(Span(t, context.index(t), context.index(t) + len(t)) for t in texts)


def quoted(window: Window, context: str, label: tuple[int, int]) -> str:
    """The characters that a label's tokens stand for."""
    first, last = (place - window.context_start for place in label)
    return context[window.offsets[first, 0] : window.offsets[last, 1]]


def test_a_label_is_the_first_and_last_token_of_the_answer(tokenizer: Tokenizer) -> None:
    reader = encoder(tokenizer)
    # where no blank stands between tokens, one ends where the next begins
    for answer in ("Rollo", "led by Rollo", "sea", "The", ", led", ",", "sea."):
        (window,) = reader.windows(QUESTION, CONTEXT)
        label = reader.label(window, Example("", QUESTION, CONTEXT, spans(CONTEXT, answer)))
        assert quoted(window, CONTEXT, label).strip() == answer


def test_blanks_around_an_answer_change_no_label(tokenizer: Tokenizer) -> None:
    reader = encoder(tokenizer)
    context = "The Norse, led by\n\n Rollo \n\n, came by sea."
    start, end = context.index("Rollo"), context.index("Rollo") + 5
    (window,) = reader.windows(QUESTION, context)
    labels = {
        reader.label(
            window, Example("", QUESTION, context, (Span(context[first:last], first, last),))
        )
        for first in range(start - 3, start + 1)
        for last in range(end, end + 4)
    }
    assert len(labels) == 1
    assert quoted(window, context, labels.pop()).strip() == "Rollo"


def test_an_answer_that_ends_inside_a_token_takes_the_whole_token(wordpiece: Tokenizer) -> None:
    reader = encoder(wordpiece)
    context = "the norse king"
    (window,) = reader.windows(QUESTION, context)
    label = reader.label(window, Example("", QUESTION, context, (Span("nors", 4, 8),)))
    assert quoted(window, context, label) == "norse"


def test_a_window_without_the_whole_answer_is_labelled_null(
    wordpiece: Tokenizer, tiny_config: ReaderConfig
) -> None:
    reader = encoder(wordpiece, tiny_config)
    context = "the river rises in the hills and ends at the sea of the old land " * 4
    example = Example("", "who?", context, spans(context, "hills and ends"))
    labels = [(reader.label(w, example), w) for w in reader.windows("who?", context)]
    assert len(labels) > 2
    whole = [quoted(w, context, label) for label, w in labels if label != (0, 0)]
    assert whole == ["hills and ends"]
    # wherever an answer stands, it is labelled whole or not at all
    words = context.split()
    for first in range(len(words) - 2):
        start = len(" ".join(words[:first])) + (first > 0)
        text = " ".join(words[first : first + 3])
        answer = Example("", "who?", context, (Span(text, start, start + len(text)),))
        found = [quoted(w, context, at) for _, w in labels if (at := reader.label(w, answer))[0]]
        assert found
        assert set(found) == {text}
    nothing = Example("", "who?", context)
    assert {reader.label(w, nothing) for _, w in labels} == {(0, 0)}


def test_of_several_answers_the_first_that_the_window_holds_counts(
    wordpiece: Tokenizer, tiny_config: ReaderConfig
) -> None:
    reader = encoder(wordpiece, tiny_config)
    context = "the river rises in the hills and " * 4 + "ends at the sea"
    example = Example("", "who?", context, spans(context, "sea", "river"))
    windows = list(reader.windows("who?", context))
    assert quoted(windows[0], context, reader.label(windows[0], example)) == "river"
    assert quoted(windows[-1], context, reader.label(windows[-1], example)) == "sea"


@settings(max_examples=60)
@given(context=TEXT.filter(str.strip), data=st.data())
def test_a_label_covers_its_answer_or_is_null(
    byte_level: Tokenizer, context: str, data: st.DataObject
) -> None:
    reader = encoder(byte_level)
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    example = Example("", QUESTION, context, (Span(context[start:end], start, end),))
    for window in reader.windows(QUESTION, context):
        first, last = reader.label(window, example)
        if (first, last) != (window.null_index, window.null_index):
            assert context[start:end].strip() in quoted(window, context, (first, last))
