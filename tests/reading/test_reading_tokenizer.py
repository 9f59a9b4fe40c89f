"""Tokenizers: BERT's without `tokenizers`, offsets that cover every letter, and damaged files."""

from __future__ import annotations

import contextlib
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from pullquote.checkpoints.directory import open_model
from pullquote.errors import ModelError
from pullquote.reading import wordpiece as wordpiece_module
from pullquote.reading.backends import native_library
from pullquote.reading.encode import Encoder
from pullquote.reading.tokenizer import TextTokenizer
from pullquote.settings import ReaderConfig

needs_engine = pytest.mark.skipif(not native_library.available(), reason="no engine: make engine")

BERT_PROCESSING = {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}
CONTEXT = "The Norse came to (Amsterdam) in 911."


@pytest.fixture(scope="module")
def content() -> bytes:
    return open_model("tiny").tokenizer.read_bytes()


def changed(content: bytes, **parts: Any) -> bytes:
    return json.dumps({**json.loads(content), **parts}).encode()


@needs_engine
def test_a_bert_reader_answers_without_loading_tokenizers(tmp_path: Path) -> None:
    code = (
        "import sys; from pullquote import Reader; print(Reader('tiny').answer("
        "'Who led the Norse?', 'The Norse, led by Rollo, came by sea.').text, "
        "'tokenizers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Rollo False\n"


@needs_engine
def test_a_text_beyond_the_engine_is_left_to_tokenizers(content: bytes) -> None:
    tokenizer = TextTokenizer(content)
    tokenizer.encode("the Norse")
    assert "full" not in vars(tokenizer)
    odd = "a letter of Unicode 16: \u1c89b"
    expected = Tokenizer.from_buffer(content).encode(odd, add_special_tokens=False)
    assert tokenizer.encode(odd).ids.tolist() == expected.ids


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "post_processor": {
                "type": "BertProcessing",
                "sep": ["[SEP]", 102],
                "cls": ["[CLS]", 101],
            }
        },
        {"truncation": None, "padding": None, "decoder": None},
    ],
    ids=["as it is", "BertProcessing", "no decoder"],
)
def test_what_the_file_says_is_what_tokenizers_do(
    content: bytes, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = TextTokenizer(changed(content, **changes))
    monkeypatch.setattr(wordpiece_module.c, "available", lambda: False)
    plain = TextTokenizer(changed(content, **changes))
    assert plain._wordpiece is None
    one, other = made.pair, plain.pair
    assert (one.types, one.sides) == (other.types, other.sides)
    special = [place for place, side in enumerate(one.sides) if side is None]
    assert [one.ids[place] for place in special] == [other.ids[place] for place in special]
    assert made.vocab_size == plain.vocab_size == 30522
    words = ["unaffable", "the", "norse", "zzqx", "lighthouse", "the", "x" * 101]
    assert made.word_ids(words) == plain.word_ids(words)
    assert made.word_ids(words) == {"the": 1996, "norse": 15342, "lighthouse": 10171}
    assert made.word_ids([]) == {}


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"{", "EOF"),
        (b"\xff\xfe", "cannot work with this tokenizer.json"),
        (b'{"normalizer": {"type": "BertNormalizer"}}', "cannot work with this tokenizer.json"),
        (b'["BertNormalizer"]', "cannot work with this tokenizer.json"),
    ],
)
def test_a_damaged_file_is_a_model_error(damaged: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TextTokenizer(damaged)


@pytest.mark.parametrize("value", ["7", 7.5, None, [7]])
def test_a_vocabulary_of_other_things_than_numbers_is_a_model_error(
    content: bytes, value: Any
) -> None:
    definition = json.loads(content)
    definition["model"]["vocab"]["norse"] = value
    with pytest.raises(ModelError, match=r"cannot work with this tokenizer\.json"):
        TextTokenizer(json.dumps(definition).encode())


@pytest.mark.parametrize("part", ["model", "added_tokens", "post_processor", "normalizer"])
def test_a_missing_part_is_told_or_done_without(content: bytes, part: str) -> None:
    definition = json.loads(content)
    del definition[part]
    with contextlib.suppress(ModelError):
        tokenizer = TextTokenizer(json.dumps(definition).encode())
        # without a normaliser, no more than the word pieces that are there
        assert tokenizer.encode("the norse").ids.tolist() == [1996, 15342]


def test_a_tokenizer_pickles(content: bytes, byte_level: Tokenizer) -> None:
    for source in (content, byte_level):
        tokenizer = TextTokenizer(source)
        copy = pickle.loads(pickle.dumps(tokenizer))
        assert copy.pair == tokenizer.pair
        assert copy.encode(CONTEXT).ids.tolist() == tokenizer.encode(CONTEXT).ids.tolist()


# ---- offsets


def byte_level_bpe(before: Any) -> Tokenizer:
    """EuroEval#2171: offsets of a byte-level pre-tokenizer behind another are a letter short."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = before
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([f"{CONTEXT} Who? " * 30], trainer)
    made.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True
    )
    return made


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=True)
PRE_TOKENIZERS = {
    "alone": BYTES,
    "behind Whitespace": pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), BYTES, pre_tokenizers.Punctuation()]
    ),
    "behind WhitespaceSplit": pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), BYTES]),
}


@pytest.mark.parametrize("before", PRE_TOKENIZERS.values(), ids=list(PRE_TOKENIZERS))
@pytest.mark.parametrize("context", [CONTEXT, f"  {CONTEXT}\n\n é (ﬁne) ", "東京 is a city 😀."])
def test_every_visible_character_has_a_token(before: Any, context: str) -> None:
    encoder = Encoder(byte_level_bpe(before), ReaderConfig())
    (window,) = encoder.windows("Who?", context)
    covered = {at for start, end in window.offsets.tolist() for at in range(start, end)}
    assert covered >= {at for at, letter in enumerate(context) if not letter.isspace()}
    words = [context[start:end] for start, end in encoder.word_offsets(context).tolist()]
    if context == CONTEXT:
        assert "Norse" in words
        assert any("Amsterdam" in word for word in words)


def test_characters_that_bert_leaves_out_stay_outside(
    wordpiece: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wordpiece_module.c, "available", lambda: False)
    pieces = TextTokenizer(wordpiece).encode("rollo \ufffd\x00\u200brollo")
    assert pieces.offsets.tolist() == [[0, 5], [9, 14]]
