"""BERT's WordPiece in the compiled engine: the tokens that `tokenizers` gives, many times as fast.

    wordpiece = WordPiece.of(json.loads(content))   # None: not BERT's, or no engine
    pieces = wordpiece.encode(text)                 # None: a text to leave to `tokenizers`

Knows the engine's C interface and which tokenizers are BERT's. What the engine makes of each code
point was taken from `tokenizers` (engine/tools/wordpiece_tables.py); a text with a code point
beyond those tables is not encoded.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pullquote.errors import ModelError
from pullquote.reading.backends import native_library as c

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UTF32 = f"utf-32-{'le' if sys.byteorder == 'little' else 'be'}"
_LONGEST_WORD = 1000  # a word of n letters may take n * n steps; BERT's limit is 100


class Pieces(NamedTuple):
    """The tokens of a text, without special tokens."""

    ids: NDArray[np.int32]  # (N,)
    offsets: NDArray[np.int32]  # (N, 2) characters of the text, half open
    words: NDArray[np.int32] | None  # (N,) the number of the word that each is a part of


class WordPiece:
    """A BERT tokenizer. Threads may share it."""

    def __init__(self, vocabulary: c.CVocabulary) -> None:
        self._library = c.load_library()
        self._tokenizer = ctypes.c_void_p()
        message = ctypes.create_string_buffer(500)
        status = self._library.pq_tokenizer_create(
            ctypes.byref(vocabulary), ctypes.byref(self._tokenizer), message, len(message)
        )
        if status != c.OK:
            raise ModelError(
                f"the engine cannot take this tokenizer.json: {message.value.decode()}"
            )

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> WordPiece | None:
        """The engine's form of a tokenizer.json, parsed.

        None where there is no engine, and for tokenizers that are not BERT's or damaged.
        """
        try:
            if not c.available() or not _is_bert(definition):
                return None
            model, normalizer = definition["model"], definition["normalizer"]
            vocabulary: dict[str, int] = model["vocab"]
            characters, count = _utf32("".join(vocabulary))
            prefix, prefix_length = _utf32(model["continuing_subword_prefix"])
            lengths = np.fromiter(map(len, vocabulary), np.int32, len(vocabulary))
            ids = np.fromiter(vocabulary.values(), np.int32, len(vocabulary))  # or OverflowError
            if ids.min() < 0:
                return None
            strip = normalizer["strip_accents"]
            return cls(
                c.CVocabulary(
                    characters=ctypes.cast(ctypes.c_char_p(characters), ctypes.c_void_p),
                    character_count=count,
                    lengths=lengths.ctypes.data,
                    ids=ids.ctypes.data,
                    tokens=len(vocabulary),
                    unknown=vocabulary[model["unk_token"]],
                    prefix=ctypes.cast(ctypes.c_char_p(prefix), ctypes.c_void_p),
                    prefix_length=prefix_length,
                    longest_word=model["max_input_chars_per_word"],
                    clean_text=normalizer["clean_text"],
                    chinese=normalizer["handle_chinese_chars"],
                    strip_accents=normalizer["lowercase"] if strip is None else strip,
                    lowercase=normalizer["lowercase"],
                )
            )
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
            ctypes.ArgumentError,
        ):
            return None  # `tokenizers` will say what is wrong with it

    def encode(self, text: str) -> Pieces | None:
        """The tokens of a text; None where it has a character that the engine leaves alone."""
        characters, length = _utf32(text)
        room = length  # few texts have more tokens than characters: some in Korean
        while True:
            # in one array, since numpy takes long to say where an array lies
            results = np.empty(4 * room, np.int32)
            ids, words, offsets = results[:room], results[room : 2 * room], results[2 * room :]
            start = results.ctypes.data
            count = ctypes.c_uint64()
            status = self._library.pq_tokenize(
                *(self._tokenizer, characters, length),
                *(start, start + 8 * room, start + 4 * room, room),
                *(ctypes.byref(count), None, 0),
            )
            if status == c.UNTESTED:
                return None
            if status != c.OK:
                raise MemoryError(f"no memory left to tokenise {length:,} characters")
            if (tokens := count.value) <= room:
                # copies, which take less memory than the room
                return Pieces(
                    ids[:tokens].copy(),
                    offsets[: 2 * tokens].copy().reshape(tokens, 2),
                    words[:tokens].copy(),
                )
            room = tokens

    def __del__(self) -> None:
        if tokenizer := getattr(self, "_tokenizer", None):
            self._library.pq_tokenizer_free(tokenizer)


def _is_bert(definition: Mapping[str, Any]) -> bool:
    """Whether a tokenizer is made of BERT's parts, and no added token may stand in a text."""
    model, vocabulary = definition["model"], definition["model"]["vocab"]
    parts = (model, definition["normalizer"], definition["pre_tokenizer"])
    return (
        tuple(part["type"] for part in parts) == ("WordPiece", "BertNormalizer", "BertPreTokenizer")
        and all(
            token["special"] and vocabulary[token["content"]] == token["id"]
            for token in definition["added_tokens"]
        )
        and 1 <= model["max_input_chars_per_word"] <= _LONGEST_WORD
        and set(map(type, vocabulary.values())) == {int}
    )


def _utf32(text: str) -> tuple[bytes, int]:
    """The code points of a text, and their number; lone surrogates are code points, too."""
    return text.encode(_UTF32, "surrogatepass"), len(text)
