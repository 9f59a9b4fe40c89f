"""Encoding: tokenises a question and its context, and splits them into overlapping windows.

Knows the tokenizer and the window settings, not models. The pair template (`[CLS] q [SEP] c [SEP]`,
`<s> q </s></s> c </s>`, ...) is read from the tokenizer.

    encoder = Encoder.from_file("tokenizer.json", ReaderConfig())
    windows = list(encoder.windows("Who led the Norse?", context))
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pullquote.errors import ConfigError, InputError, ModelError, PullquoteWarning
from pullquote.reading.tokenizer import Pair, TextTokenizer
from pullquote.reading.wordpiece import Pieces
from pullquote.types import Batch, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from pullquote.checkpoints.directory import ModelDirectory
    from pullquote.settings import ReaderConfig
    from pullquote.types import Example

# Longer contexts are tokenised in pieces of about this many characters. In one piece, 10 MB took
# 1.5 GB of memory.
_PIECE = 200_000
# A piece ends before a single space between words, where all kinds of tokenizers give the same
# tokens as for the whole text: " word" at the start of a piece is tokenised as within a text. If
# there is none within the next _SEARCH characters (one word per line, Chinese), it ends before any
# letter.
_SEARCH = 200_000
_CUT = re.compile(r"(?<=\S) (?=\S)")
_ANY_CUT = re.compile(r"(?<!\u200d)(?=\w)")


@dataclass(frozen=True, slots=True)
class Template:
    """How a tokenizer joins a pair: `before` first `between` second `after`, as token ids.

    BERT:     [CLS] | q | [SEP]       | c | [SEP]          types 0 | 0 | 0   | 1 | 1
    RoBERTa:  <s>   | q | </s> </s>   | c | </s>           types 0 | 0 | 0 0 | 0 | 0
    XLNet:          | c | <sep>       | q | <sep> <cls>    types   | 0 | 0   | 1 | 1 2
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    before_types: tuple[int, ...]
    between_types: tuple[int, ...]
    after_types: tuple[int, ...]
    first_type: int
    second_type: int

    @property
    def null(self) -> int:
        """The index of the token whose logits mean "no answer": 0, or -1 (the last) for XLNet."""
        return 0 if self.before else -1

    def __len__(self) -> int:
        """The number of special tokens in a window."""
        return len(self.before) + len(self.between) + len(self.after)

    @classmethod
    def of(cls, pair: Pair) -> Template:
        """Read the template from an encoded pair."""
        ids, types, sides = pair
        if 0 not in sides or 1 not in sides:
            raise ModelError('the tokenizer gives no token for the text "a"; it cannot be used')
        first, second = sides.index(0), sides.index(1)
        first_end = len(sides) - sides[::-1].index(0)
        second_end = len(sides) - sides[::-1].index(1)
        if first > second:
            raise ModelError("the tokenizer puts the second text first; expected the first first")
        if first == 0 and second_end == len(sides):
            raise ModelError(
                "the tokenizer adds no special token before or after a pair, so that there is no "
                'token whose logits could mean "no answer"; expected a post-processor such as '
                "TemplateProcessing in tokenizer.json"
            )
        return cls(
            before=tuple(ids[:first]),
            between=tuple(ids[first_end:second]),
            after=tuple(ids[second_end:]),
            before_types=tuple(types[:first]),
            between_types=tuple(types[first_end:second]),
            after_types=tuple(types[second_end:]),
            first_type=types[first],
            second_type=types[second],
        )

    def with_types(self, types: int) -> Template:
        """The template for a model with so many token types: one for RoBERTa, three for XLNet."""
        last = types - 1

        def capped(given: Sequence[int]) -> tuple[int, ...]:
            return tuple(min(type, last) for type in given)

        return replace(
            self,
            before_types=capped(self.before_types),
            between_types=capped(self.between_types),
            after_types=capped(self.after_types),
            first_type=min(self.first_type, last),
            second_type=min(self.second_type, last),
        )

    def around(self, question: Sequence[int], *, context_first: bool) -> _Frame:
        """The parts of a window before and after the context tokens."""
        before, between, after = self.before, self.between, self.after
        head: Sequence[int]
        tail: Sequence[int]
        head_types: Sequence[int]
        if context_first:
            head, tail = before, [*between, *question, *after]
            head_types = self.before_types
            second = [self.second_type] * len(question)
            tail_types = [*self.between_types, *second, *self.after_types]
            context_type = self.first_type
        else:
            head, tail = [*before, *question, *between], after
            first = [self.first_type] * len(question)
            head_types = [*self.before_types, *first, *self.between_types]
            tail_types, context_type = [*self.after_types], self.second_type
        return _Frame(
            head=np.array(head, dtype=np.int64),
            tail=np.array(tail, dtype=np.int64),
            head_types=np.array(head_types, dtype=np.int64),
            context_type=context_type,
            tail_types=np.array(tail_types, dtype=np.int64),
        )


class _Frame(NamedTuple):
    """A window without its context tokens: token ids and types before and after them."""

    head: NDArray[np.int64]
    tail: NDArray[np.int64]
    head_types: NDArray[np.int64]
    context_type: int
    tail_types: NDArray[np.int64]

    def window(self, tokens: Pieces, start: int, end: int, null: int) -> Window:
        """The window with some of the context's tokens; `null` as in `Template`."""
        first = len(self.head)
        last = first + end - start
        input_ids = np.empty(last + len(self.tail), dtype=np.int64)
        input_ids[:first] = self.head
        input_ids[first:last] = tokens.ids[start:end]
        input_ids[last:] = self.tail
        types = np.empty_like(input_ids)
        types[:first] = self.head_types
        types[first:last] = self.context_type
        types[last:] = self.tail_types
        offsets = tokens.offsets[start:end]
        return Window(input_ids, types, offsets, first, null % len(input_ids))


class Encoder:
    """Turns a question and a context into `Window`s, and windows into a padded `Batch`.

    `type_vocab_size` is the number of token types of the model; None keeps those of the tokenizer.
    The tokens of the last 8 contexts are cached. `context_first` puts the context before the
    question, for models whose tokenizers pad on the left (XLNet): run_squad.py trained them so.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer | Tokenizer,
        config: ReaderConfig,
        *,
        type_vocab_size: int | None = None,
        context_first: bool = False,
    ):
        if not isinstance(tokenizer, TextTokenizer):
            tokenizer = TextTokenizer(tokenizer)
        self._tokenizer = tokenizer
        self.config = config
        self.types = sys.maxsize if type_vocab_size is None else max(type_vocab_size, 1)
        self.template = Template.of(tokenizer.pair).with_types(self.types)
        self.context_first = context_first
        # any id can be used, since the attention mask hides padding
        self.pad_id = (*self.template.before, *self.template.after)[0]
        room = config.max_length - config.max_question_length - len(self.template)
        if room <= config.overlap:
            raise ConfigError(
                f"max_length {config.max_length} leaves {room} context tokens beside a question of "
                f"{config.max_question_length} and {len(self.template)} special tokens: expected "
                f"more than the overlap of {config.overlap}"
            )
        self._context = functools.lru_cache(maxsize=8)(self._tokenize)
        # cached, so that a long question on many passages is cut, and warned of, only once
        self._question = functools.lru_cache(maxsize=8)(self._tokenize_question)
        self._encoded_question = functools.lru_cache(maxsize=8)(tokenizer.encode)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle all but the caches, so that other processes can encode."""
        make = functools.partial(
            Encoder, type_vocab_size=self.types, context_first=self.context_first
        )
        return make, (self._tokenizer, self.config)

    @classmethod
    def of(cls, directory: ModelDirectory, *, config: ReaderConfig | None = None) -> Encoder:
        """The encoder of a model directory; `config` replaces its own settings.

        Raises `ModelError` when the tokenizer has more tokens than the model.
        """
        encoder = cls.from_file(
            directory.tokenizer,
            config or directory.config,
            type_vocab_size=directory.type_vocab_size,
            context_first=directory.context_first,
        )
        directory.check_vocabulary(encoder.vocab_size)
        return encoder

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        config: ReaderConfig,
        *,
        type_vocab_size: int | None = None,
        context_first: bool = False,
    ) -> Encoder:
        """Read a `tokenizer.json`."""
        try:
            tokenizer = TextTokenizer(Path(path).read_bytes())
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        return cls(tokenizer, config, type_vocab_size=type_vocab_size, context_first=context_first)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of `tokenizers`."""
        return self._tokenizer.full

    @property
    def vocab_size(self) -> int:
        """The number of token ids that the tokenizer can give."""
        return self._tokenizer.vocab_size

    def windows(
        self,
        question: str,
        context: str,
        *,
        max_length: int | None = None,
        overlap: int | None = None,
        step: int | None = None,
        max_question_length: int | None = None,
    ) -> Iterator[Window]:
        """Yield the windows of a question over a context, lazily; none when the context is blank.

        The lengths replace those of the config. `step` replaces the overlap: windows then start
        every `step` context tokens, regardless of the question's length. A question that would fill
        a window is cut to half of it; an overlap that would fill the room for context is cut to
        half of that. Raises `InputError` for a blank question and for arguments that are not text.

            # room for 6 context tokens, overlap 4, answers of at most 2:
            #   window 0: the river rises in the hills
            #   window 1:           rises in the hills and ends
            # the answer "hills and" is split by window 0 and whole in window 1
        """
        question_ids, room, starts = self._layout(
            question, context, max_length, overlap, step, max_question_length
        )
        tokens = self._context(context)
        count = len(tokens.ids)
        frame = self.template.around(question_ids, context_first=self.context_first)
        for start in starts:
            yield frame.window(tokens, start, min(start + room, count), self.template.null)

    def doc_spans(
        self,
        question: str,
        context: str,
        *,
        max_length: int | None = None,
        overlap: int | None = None,
        step: int | None = None,
        max_question_length: int | None = None,
    ) -> list[tuple[int, int]]:
        """The context tokens of each window, half open, without making the windows.

        run_squad.py calls these `doc_spans`. Options and errors are those of `windows`.
        """
        _, room, starts = self._layout(
            question, context, max_length, overlap, step, max_question_length
        )
        count = len(self._context(context).ids)
        return [(start, min(start + room, count)) for start in starts]

    def word_offsets(self, context: str) -> NDArray[np.int32]:
        """The characters of the whole word of each context token, (N, 2), half open."""
        return _whole_words(self._context(context))

    def _layout(
        self,
        question: str,
        context: str,
        max_length: int | None,
        overlap: int | None,
        step: int | None,
        max_question_length: int | None,
    ) -> tuple[list[int], int, Iterator[int]]:
        """The question's token ids, the room for context tokens, and where windows start."""
        free = (max_length or self.config.max_length) - len(self.template)
        if free < 2:
            least = len(self.template) + 2
            raise InputError(f"max_length is {max_length}, expected at least {least}")
        if not isinstance(question, str):
            raise InputError(f"the question is {type(question).__name__}, expected text (str)")
        limit = max_question_length or self.config.max_question_length
        question_ids = self._question(question, limit, free)
        if not isinstance(context, str):
            raise InputError(f"the context is {type(context).__name__}, expected text (str)")
        room = free - len(question_ids)
        shared = self.config.overlap if overlap is None else overlap
        step = min(step, room) if step else (room - shared if shared < room else max(room // 2, 1))
        return question_ids, room, _starts(len(self._context(context).ids), room, step)

    def label(self, window: Window, example: Example) -> tuple[int, int]:
        """The training target: the first and last token of the answer in a window.

        With several answers, it is the first that is whole in the window. A window without a whole
        answer is labelled with the null token, twice.

            # the answer is "hills":         null 0 ->  (0, 0)
            #   window 0: [CLS] q [SEP] the river rises in      -> (0, 0)
            #   window 1: [CLS] q [SEP] rises in the hills and  -> (6, 6)
        """
        begins, ends = window.offsets[:, 0], window.offsets[:, 1]  # (C,) each, ascending
        for answer in example.answers:
            start = answer.end - len(answer.text.lstrip())  # without blanks, which have no tokens
            end = answer.start + len(answer.text.rstrip())
            first = int(np.searchsorted(ends, start, side="right"))
            last = int(np.searchsorted(begins, end, side="left")) - 1
            # the answer is whole in the window only if both of its ends are
            if first <= last and begins[0] <= start and end <= ends[-1]:
                return window.context_start + first, window.context_start + last
        return window.null_index, window.null_index

    def count(self, text: str) -> int:
        """The number of tokens of a text, without special tokens."""
        return len(self._tokenizer.encode(text).ids)

    def alone(self, text: str, most: int) -> NDArray[np.int32]:
        """The token ids of a text by itself, with special tokens: at most `most`, cut at the end.

        They are as in a pair, without the first text: [CLS] text [SEP] for BERT. Raises
        `InputError` for what is not text.
        """
        if not isinstance(text, str):
            raise InputError(f"a text is {type(text).__name__}, expected text (str)")
        before, after = self.template.before, self.template.after
        ids = self._tokenizer.encode(text).ids[: most - len(before) - len(after)]
        return np.array([*before, *ids, *after], dtype=np.int32)

    def split_words(self, question: str) -> Iterator[tuple[int, int]]:
        """The words of a question that the vocabulary does not have whole, as characters of it."""
        text = question.strip()
        shift = len(question) - len(question.lstrip())
        pieces = self._encoded_question(text)
        if pieces.words is None:  # a tokenizer without words
            return
        words = pieces.words.tolist()
        if len(words) == len(set(words)):
            return
        places = pieces.offsets.tolist()
        for _, tokens in itertools.groupby(range(len(words)), key=words.__getitem__):
            if len(split := [places[token] for token in tokens]) == 1:
                continue
            # sentencepiece's words have the blank before them, and the punctuation around them
            letters = [[at for at in range(*place) if text[at].isalnum()] for place in split]
            if len(letters := [piece for piece in letters if piece]) > 1:
                yield shift + letters[0][0], shift + letters[-1][-1] + 1

    def word_ids(self, words: Iterable[str]) -> dict[str, int]:
        """The ids of those words that the vocabulary has whole; frequent words have low ids.

        Words are in small letters of ASCII. Vocabularies that are not BERT's have none.
        """
        return self._tokenizer.word_ids(words)

    def batch(self, windows: Sequence[Window]) -> Batch:
        """Pad windows on the right to the length of the longest."""
        longest = max(len(window) for window in windows)
        input_ids = np.full((len(windows), longest), self.pad_id, dtype=np.int64)  # (B, T)
        attention_mask = np.zeros_like(input_ids)
        token_type_ids = np.zeros_like(input_ids)
        for row, window in enumerate(windows):
            input_ids[row, : len(window)] = window.input_ids
            attention_mask[row, : len(window)] = 1
            token_type_ids[row, : len(window)] = window.token_type_ids
        return Batch(input_ids, attention_mask, token_type_ids)

    def _tokenize_question(self, question: str, limit: int, free: int) -> list[int]:
        ids: list[int] = self._encoded_question(question.strip()).ids.tolist()
        if not ids:  # blank, or only zero-width and control characters, which tokenizers may drop
            raise InputError("the question is blank; expected a question in words")
        if min(len(ids), limit) >= free:
            limit = free // 2
        if len(ids) > limit:
            warnings.warn(
                f"the question has {len(ids)} tokens; only the first {limit} are read "
                "(max_question_length)",
                PullquoteWarning,
                stacklevel=3,
            )
        return ids[:limit]

    def _tokenize(self, context: str) -> Pieces:
        ids, offsets, words = [], [], []
        count: int | None = 0  # of the words so far; None for a tokenizer without words
        for start, end in _pieces(context):
            pieces = self._tokenizer.encode(context[start:end])
            if start == 0 and end == len(context):
                return pieces
            ids.append(pieces.ids)
            offsets.append(pieces.offsets + start)
            if count is None or pieces.words is None:
                count = None
            elif len(pieces.words):
                words.append(pieces.words + count)
                count = int(words[-1][-1]) + 1
        return Pieces(
            np.concatenate(ids),
            np.concatenate(offsets),
            None if count is None or not words else np.concatenate(words),
        )


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """The pieces in which a text is tokenised, half open; a short text is a single piece."""
    start = 0
    while len(text) - start > _PIECE:
        earliest = start + _PIECE
        cut = _CUT.search(text, earliest, earliest + _SEARCH)
        if not cut and len(text) > earliest + _SEARCH:
            cut = _ANY_CUT.search(text, earliest)
        if not cut:
            break
        yield start, cut.start()
        start = cut.start()
    yield start, len(text)


def _whole_words(pieces: Pieces) -> NDArray[np.int32]:
    """The characters of each token's word, (N, 2); of the token itself if it has no word."""
    offsets, number = pieces.offsets, pieces.words  # `number` ascends
    if number is None:
        return offsets
    first = np.searchsorted(number, number, side="left")
    last = np.searchsorted(number, number, side="right") - 1
    return np.stack([offsets[first, 0], offsets[last, 1]], axis=1)


def _starts(tokens: int, room: int, step: int) -> Iterator[int]:
    """The starts of windows of `room` tokens: every `step` tokens, until all are covered."""
    start = 0
    while start < tokens:
        yield start
        if start + room >= tokens:
            return
        start += step
