"""The engine's WordPiece beside that of `tokenizers`, for all code points and for real texts."""

from __future__ import annotations

import ctypes
import itertools
import json
import random
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from pullquote.checkpoints.directory import open_model
from pullquote.errors import ModelError
from pullquote.reading import wordpiece
from pullquote.reading.backends import native_library as c
from pullquote.reading.encode import Encoder
from pullquote.reading.wordpiece import Pieces, WordPiece
from pullquote.settings import ReaderConfig

pytestmark = pytest.mark.skipif(not c.available(), reason="no engine here: make engine")

LIMIT = 0x32000  # of the engine's tables
TEXTS = [
    "The Norse, led by Rollo, came by sea and settled in the north of France in 911.",
    "Cafés, naïve façades: Zürich, Kraków, São Paulo; ÅNGSTRÖM, İstanbul, ΣΊΣΥΦΟΣ, straße, ŉ, ǅ.",
    "cafe\u0301 e\u0301\u0316 a\u0300\u0301\u0302\u0303 \u0301 x\u200d\u0301y",
    "東京は日本の首都である。 ﾊﾝｶｸ 한국어의 음절 각 ᄀ",
    "👩\u200d👩\u200d👧 👍🏽 🇫🇷🇩🇪 ★☆ © ™ № ½ ﬁ ㎏",
    "\ufeffzero\u200bwidth\u00adsoft\x00null\x1funit\x85next\xa0hard\u2028line\t\r\n\ufffd",
    "lone \ud800 surrogates\udfff",
    "x" * 100
    + " "
    + "x" * 101
    + " unaffable UNAFFABLE un-affable 3.14 $5,000 a_b @me #1 [SEP] [MASK]",
    "नमस्ते दुनिया مرحبا بالعالم שלום עולם Привет мир สวัสดีชาวโลก",
    "",
    " \n\t ",
]


def tokenizer(vocabulary: list[str], **options: Any) -> Tokenizer:
    ids = {token: id for id, token in enumerate(dict.fromkeys(["[UNK]", *vocabulary]))}
    made = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(**options)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.encode_special_tokens = True
    return made


@pytest.fixture(scope="module")
def bert() -> Tokenizer:
    made = Tokenizer.from_file(str(open_model("tiny").tokenizer))
    made.encode_special_tokens = True
    return made


@pytest.fixture(scope="module")
def engine(bert: Tokenizer) -> WordPiece:
    made = engine_of(bert)
    assert made is not None
    return made


def engine_of(tokenizer: Tokenizer) -> WordPiece | None:
    return WordPiece.of(json.loads(tokenizer.to_str()))


def assert_same(found: Pieces | None, tokenizer: Tokenizer, text: str) -> None:
    assert found is not None, ascii(text)
    safe = wordpiece_safe(text)
    expected = tokenizer.encode(safe, add_special_tokens=False)
    assert found.words is not None
    assert found.ids.tolist() == expected.ids, ascii(text)
    assert [tuple(place) for place in found.offsets.tolist()] == expected.offsets, ascii(text)
    assert found.words.tolist() == expected.word_ids, ascii(text)


def wordpiece_safe(text: str) -> str:
    """As `Encoder` gives it to `tokenizers`, which refuse lone surrogates."""
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_tokenizers(engine: WordPiece, bert: Tokenizer, text: str) -> None:
    assert_same(engine.encode(text), bert, text)


OPTIONS = [
    {"clean_text": clean, "handle_chinese_chars": chinese, "strip_accents": strip, "lowercase": low}
    for clean, chinese, strip, low in [
        (True, True, None, True),  # BERT uncased
        (True, True, None, False),  # BERT cased
        (True, False, True, False),
        (False, True, True, True),
        (False, False, False, True),
    ]
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_code_point_is_normalised_as_tokenizers_do(options: dict[str, Any]) -> None:
    """The tables are those of the installed `tokenizers`: one code point after another.

    Of the higher ones, all for uncased BERT, and for others some, which takes less time.
    """
    step = 1 if options == OPTIONS[0] else 11
    points = [*range(0x3000), *range(0x3000, 0xD800, step), *range(0xE000, LIMIT, step)]
    normalize = normalizers.BertNormalizer(**options).normalize_str
    letters = sorted({letter for point in points for letter in normalize(chr(point))})
    made = tokenizer([*letters, *(f"##{letter}" for letter in letters)], **options)
    engine = engine_of(made)
    assert engine is not None
    untested = []
    for block in range(0, len(points), 64):
        letters = [chr(point) for point in points[block : block + 64]]
        if engine.encode("".join(letters)) is None:
            untested += [letter for letter in letters if engine.encode(letter) is None]
            letters = [letter for letter in letters if letter not in untested]
        text = "".join(f"a{letter}b {letter} " for letter in letters)
        assert_same(engine.encode(text), made, text)
    # What Unicode 3.2 had is covered, but for a few marks that a normal form may move.
    old = [letter for letter in untested if unicodedata.ucd_3_2_0.category(letter) != "Cn"]
    assert len(old) < 30


def random_texts(count: int) -> Iterator[str]:
    random.seed(1)
    points = [*range(0x2FF)] * 3 + [*range(0x300, 0x3000)]
    points += [*range(0x3000, 0xD7FF, 7), *range(0xE000, 0x20000, 5)]
    pool = [c for c in map(chr, points) if unicodedata.ucd_3_2_0.category(c) != "Cn"]
    for _ in range(count):
        yield "".join(random.choices(pool, k=60))
        yield " ".join("".join(random.choices(pool, k=random.randint(1, 6))) for _ in range(20))


def test_random_texts_have_the_tokens_of_tokenizers(engine: WordPiece, bert: Tokenizer) -> None:
    left = 0
    for text in random_texts(600):
        if (found := engine.encode(text)) is None:
            left += 1
        else:
            assert_same(found, bert, text)
    assert left < 300  # texts that have one of the few code points that are left alone


@settings(max_examples=200)
@given(
    st.text(alphabet="aZé\u0301\u0316E 東한각ﬁİßΣς'#-_ \t\n\x00\u200d😀\ufffd\ud800", max_size=40)
)
def test_any_text_has_the_tokens_of_tokenizers(text: str) -> None:
    made = tokenizer(["a", "##a", "z", "e", "##e", "##z", "##a#", "#", "##한", "ss", "東"])
    engine = engine_of(made)
    assert engine is not None
    assert_same(engine.encode(text), made, text)


def test_texts_beyond_the_tables_are_left_to_tokenizers(engine: WordPiece) -> None:
    assert engine.encode("a\u08d6b") is None  # a mark that its Unicode version does not know
    assert engine.encode("a\u1c89b") is None  # a letter of Unicode 16
    assert engine.encode(f"a{chr(LIMIT)}") is None
    assert engine.encode("\U0010ffff") is None


def test_an_encoder_gives_the_same_tokens_without_the_engine(
    bert: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [*TEXTS, "a\u08d6b of the " * 30, *itertools.islice(random_texts(20), 40)]
    fast = Encoder(bert, ReaderConfig())
    assert fast._tokenizer._wordpiece is not None
    monkeypatch.setattr(wordpiece.c, "available", lambda: False)
    plain = Encoder(bert, ReaderConfig())
    assert plain._tokenizer._wordpiece is None
    for text in texts:
        assert fast.count(text) == plain.count(text)
        assert np.array_equal(fast.word_offsets(text), plain.word_offsets(text))
        question = f"who {text[:50]}"
        assert list(fast.split_words(question)) == list(plain.split_words(question))
        pairs = zip(fast.windows("who", text), plain.windows("who", text), strict=True)
        for one, other in pairs:
            assert np.array_equal(one.input_ids, other.input_ids)
            assert np.array_equal(one.offsets, other.offsets)


# ---- which tokenizers are BERT's


def test_other_tokenizers_are_left_alone(
    wordpiece: Tokenizer, byte_level: Tokenizer, unigram: Tokenizer
) -> None:
    def changed(**parts: Any) -> Tokenizer:
        made = Tokenizer.from_str(wordpiece.to_str())
        for name, part in parts.items():
            setattr(made, name, part)
        return made

    assert engine_of(changed()) is not None
    for other in (byte_level, unigram):
        assert engine_of(other) is None
    assert engine_of(changed(normalizer=normalizers.NFC())) is None
    assert engine_of(changed(pre_tokenizer=pre_tokenizers.Whitespace())) is None
    added = changed()
    added.add_tokens([AddedToken("xyz", special=False)])
    assert engine_of(added) is None
    nameless = changed(model=models.WordPiece({"a": 0}, unk_token="[UNK]"))
    assert engine_of(nameless) is None
    slow = models.WordPiece({"[UNK]": 0}, unk_token="[UNK]", max_input_chars_per_word=10**6)
    assert engine_of(changed(model=slow)) is None
    for id in (-1, 2**31, 1.0, True):
        damaged = json.loads(wordpiece.to_str())
        damaged["model"]["vocab"]["a"] = id
        assert WordPiece.of(damaged) is None


# ---- the C interface


def vocabulary(**changes: Any) -> tuple[c.CVocabulary, list[Any]]:
    characters = np.frombuffer("a##b[UNK]".encode(wordpiece._UTF32), np.uint32).copy()
    lengths, ids = np.array([1, 3, 5], np.int32), np.array([7, 8, 9], np.int32)
    given = c.CVocabulary(
        characters=characters.ctypes.data,
        character_count=9,
        lengths=lengths.ctypes.data,
        ids=ids.ctypes.data,
        tokens=3,
        unknown=9,
        prefix=characters[1:].ctypes.data,
        prefix_length=2,
        longest_word=100,
    )
    for name, value in changes.items():
        if name in ("lengths", "ids") and value is not None:
            given_array = np.array(value, np.int32)
            lengths, ids = (given_array, ids) if name == "lengths" else (lengths, given_array)
            value = given_array.ctypes.data
        setattr(given, name, value)
    return given, [characters, lengths, ids]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": 0}, "a vocabulary of 0 tokens"),
        ({"tokens": -1}, "a vocabulary of -1 tokens"),
        ({"characters": None}, "with characters, lengths and ids"),
        ({"lengths": None}, "with characters, lengths and ids"),
        ({"ids": None}, "with characters, lengths and ids"),
        ({"character_count": 8}, "token 2 of the vocabulary has a length of 5, with 4"),
        ({"character_count": 10}, "10 characters, but tokens of 9"),
        ({"character_count": 2**40}, "more than"),
        ({"lengths": [1, -3, 5]}, "token 1 of the vocabulary has a length of -3"),
        ({"lengths": [1, 2**31 - 1, 5]}, "token 1 of the vocabulary has a length of 2147483647"),
        ({"ids": [7, 8, -9]}, "has the id -9"),
        ({"prefix_length": -1}, "a prefix of -1"),
        ({"prefix": None}, "a prefix of 2"),
        ({"longest_word": 0}, "a longest word of 0"),
        ({"unknown": -1}, "unknown words have the id -1"),
    ],
)
def test_damaged_vocabularies_are_refused(changes: dict[str, Any], message: str) -> None:
    given, kept = vocabulary()
    assert WordPiece(given).encode("a ab b") is not None
    given, kept = vocabulary(**changes)
    with pytest.raises(ModelError, match=message):
        WordPiece(given)
    del kept


def test_null_pointers_are_refused() -> None:
    given, _kept = vocabulary()
    library, made = c.load_library(), WordPiece(given)
    count = ctypes.c_uint64(77)
    tokenize = library.pq_tokenize
    assert library.pq_tokenizer_create(None, None, None, 0) == c.INVALID
    text = "ab".encode(wordpiece._UTF32)
    nothing = (None, None, None, 0)
    assert tokenize(None, text, 2, *nothing, ctypes.byref(count), None, 0) == c.INVALID
    assert tokenize(made._tokenizer, None, 2, *nothing, ctypes.byref(count), None, 0) == c.INVALID
    assert tokenize(made._tokenizer, text, 2, *nothing, None, None, 0) == c.INVALID
    room = (None, None, None, 5)
    assert tokenize(made._tokenizer, text, 2, *room, ctypes.byref(count), None, 0) == c.INVALID
    assert count.value == 77
    assert tokenize(made._tokenizer, text, 2, *nothing, ctypes.byref(count), None, 0) == c.OK
    assert count.value == 2  # nothing is written, for there is no room
    library.pq_tokenizer_free(None)


def test_a_text_with_more_tokens_than_characters_is_whole() -> None:
    made = tokenizer([*"한", *("##" + letter for letter in "한")], lowercase=True)
    engine = engine_of(made)
    assert engine is not None
    found = engine.encode("한한")
    assert found is not None
    assert len(found.ids) == 6
    assert_same(found, made, "한한")
