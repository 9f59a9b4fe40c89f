"""A model's tokenizer: BERT's in the compiled engine, any other by `tokenizers`.

    tokenizer = TextTokenizer(Path("tokenizer.json").read_bytes())
    tokenizer.encode("Who led the Norse?")    # Pieces: ids, offsets, words
    tokenizer.pair                            # how it joins two texts

Knows tokenizer.json, neither models nor windows. To load a BERT tokenizer with `tokenizers` takes
longer than to answer a question, so that is left until a text needs it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pullquote.errors import ModelError
from pullquote.reading.wordpiece import Pieces, WordPiece
from pullquote.text import without_surrogates

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer


class Pair(NamedTuple):
    """How a tokenizer joins two texts, shown on texts of a token each."""

    ids: list[int]
    types: list[int]
    sides: list[int | None]
    """None for special tokens, 0 for the first text and 1 for the second."""


class TextTokenizer:
    """A tokenizer without truncation or padding, to which "[SEP]" in a text is text."""

    pair: Pair
    """How it joins two texts."""
    vocab_size: int
    """The number of token ids that it can give."""

    def __init__(self, source: bytes | Tokenizer) -> None:
        """Take the content of a `tokenizer.json`, or a tokenizer, which is changed.

        Raises `ModelError` where `tokenizers` cannot work with it.
        """
        self._source = source
        definition = _bert(source)
        pair = _pair_of(definition)
        self._wordpiece = WordPiece.of(definition) if pair else None
        if pair and self._wordpiece:
            self.pair, self.vocab_size = pair, len(definition["model"]["vocab"])
            return
        with _named_errors():
            probe = self.full.encode("a", "a")
        self.pair = Pair(probe.ids, probe.type_ids, probe.sequence_ids)
        self.vocab_size = self.full.get_vocab_size(with_added_tokens=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return TextTokenizer, (self._source,)

    @functools.cached_property
    def full(self) -> Tokenizer:
        """The tokenizer of `tokenizers`."""
        from tokenizers import Tokenizer

        with _named_errors():
            source = self._source
            made = Tokenizer.from_buffer(source) if isinstance(source, bytes) else source
            # files of sentence encoders have truncation and padding set
            made.no_truncation()
            made.no_padding()
            made.encode_special_tokens = True
            return made

    @functools.cached_property
    def _vocabulary(self) -> Mapping[str, int]:
        """BERT's words; parsed when a misspelt word first needs them, for they take 2 MB."""
        vocabulary: dict[str, int] = _bert(self._source)["model"]["vocab"]
        return vocabulary

    def word_ids(self, words: Iterable[str]) -> dict[str, int]:
        """The ids of those words that the vocabulary has whole, in small letters of ASCII.

        None of vocabularies that are not BERT's, in which words do not stand as they are written.
        """
        if self._wordpiece:
            ids = self._vocabulary
            return {word: ids[word] for word in words if word in ids}
        full = self.full
        if type(full.model).__name__ != "WordPiece":
            return {}
        return {word: id for word in words if (id := full.token_to_id(word)) is not None}

    def encode(self, text: str) -> Pieces:
        """The tokens of a text, without special tokens."""
        if self._wordpiece and (pieces := self._wordpiece.encode(text)) is not None:
            return pieces
        text = without_surrogates(text)  # which tokenizers refuse
        with _named_errors():
            encoding = self.full.encode(text, add_special_tokens=False)
        offsets = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)
        if type(self.full.model).__name__ != "WordPiece":  # BERT leaves characters out on purpose
            _cover(text, offsets)
        words = encoding.word_ids
        return Pieces(
            np.array(encoding.ids, dtype=np.int32),
            offsets,
            None if None in words else np.array(words, dtype=np.int32),
        )


def _cover(text: str, offsets: NDArray[np.int32]) -> None:
    """Move starts of tokens back over visible characters that no token has, in place.

    A byte-level pre-tokenizer behind one that splits at blanks loses the first letter of each word
    in the offsets: it takes it for the blank that it has put there.
    """
    ends = np.zeros(len(offsets), np.int32)
    ends[1:] = np.maximum.accumulate(offsets[:-1, 1])
    for token in np.flatnonzero(offsets[:, 0] > ends):
        between = text[ends[token] : offsets[token, 0]]
        for skipped, character in enumerate(between):
            if unicodedata.category(character)[0] in "LNPS":
                offsets[token, 0] = ends[token] + skipped
                break


def _bert(source: bytes | Tokenizer) -> dict[str, Any]:
    """The content of a tokenizer.json if it may be BERT's, else nothing."""
    content = source if isinstance(source, bytes) else source.to_str().encode()
    if b'"BertNormalizer"' not in content:  # parsing takes long, too
        return {}
    try:
        definition = json.loads(content.decode("utf-8"))
    except ValueError:
        return {}  # tokenizers will say why
    return definition if isinstance(definition, dict) else {}


def _pair_of(definition: Mapping[str, Any]) -> Pair | None:
    """The pair that a BERT tokenizer.json describes; None where it has another form."""
    try:
        processor = definition["post_processor"]
        made = Pair([], [], [])
        for piece in processor["pair"]:
            ((kind, place),) = piece.items()
            if kind == "Sequence":
                ids: list[int] = [0]
                side = {"A": 0, "B": 1}[place["id"]]
            else:
                ids, side = processor["special_tokens"][place["id"]]["ids"], None
            made.ids.extend(ids)
            made.types.extend([place["type_id"]] * len(ids))
            made.sides.extend([side] * len(ids))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    plain = set(map(type, made.ids + made.types)) == {int}
    return made if processor.get("type") == "TemplateProcessing" and plain else None


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Turn errors of tokenizers, bare `Exception`s and Rust panics, into `ModelError`."""
    try:
        yield
    except MemoryError:
        raise
    except BaseException as error:
        # PanicException is not a subclass of Exception and cannot be imported
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise ModelError(
                f"the tokenizers library cannot work with this tokenizer.json ({error!s:.200}). "
                "Copy it from the base model again."
            ) from error
        raise


def bert_words(text: str, *, lowercase: bool) -> list[str]:
    """The words that BERT splits into word pieces; `lowercase` also strips accents.

    >>> bert_words("Café, 東京!", lowercase=True)
    ['cafe', ',', '東', '京', '!']
    """
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    text = unicodedata.normalize("NFC", text)
    if lowercase:
        text = text.lower()  # str.lower writes a sigma at the end of a word differently
    normal = BertNormalizer(lowercase=lowercase).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normal)]
