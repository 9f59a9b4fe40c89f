"""Text to numbers: cuts a question and its context into windows that a model can read.

Knows the tokenizer and the window settings, nothing of models. The pair template (`[CLS] q [SEP]
c [SEP]`, `<s> q </s></s> c </s>`, ...) is read from the tokenizer itself.

    encoder = Encoder(Tokenizer.from_file("tokenizer.json"), ReaderConfig())
    windows = list(encoder.windows("Who led the Norse?", context))
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from pullquote.errors import ConfigError, InputError, ModelError, PullquoteWarning
from pullquote.types import Batch, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pullquote.checkpoints.directory import ModelDirectory
    from pullquote.types import Example, ReaderConfig

# Longer contexts are tokenised in pieces: at once, 10 MB took 1.5 GB of memory.
_PIECE = 200_000
_PATIENCE = 200_000
# A piece ends before a single space between words, where every kind of tokenizer sees the same
# words on both sides: " word" at the start of a piece is what it is in the middle of a text. Where
# there is none for long (a word a line, Chinese), it ends between any letters.
_CUT = re.compile(r"(?<=\S) (?=\S)")
_ANY_CUT = re.compile(r"(?<!\u200d)(?=\w)")
# A Python string may hold halves of UTF-16 pairs, which no tokenizer takes. They are replaced one
# for one, so that every offset stays true.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


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
        """Where in a window the token stands whose logits mean "no answer": 0, or -1 for XLNet."""
        return 0 if self.before else -1

    def __len__(self) -> int:
        """The number of special tokens in a window."""
        return len(self.before) + len(self.between) + len(self.after)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Template:
        """Encode a probe pair and see where the special tokens fall."""
        with _named_errors():
            pair = tokenizer.encode("a", "a")
        sides = pair.sequence_ids  # None for special tokens, 0 for the question, 1 for the context
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
        ids, types = pair.ids, pair.type_ids
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


@dataclass(frozen=True, slots=True, eq=False)
class _Tokens:
    """A tokenised context."""

    ids: NDArray[np.int64]  # (N,)
    offsets: NDArray[np.int32]  # (N, 2)
    words: NDArray[np.int32]  # (N, 2) characters of the whole word that a token belongs to


class Encoder:
    """Turns a question and a context into `Window`s, and windows into a padded `Batch`.

    `type_vocab_size` is the number of token types that the model has, None for what the tokenizer
    gives. A context that comes again is not tokenised again (the last few are remembered). Models
    whose tokenizers pad on the left (XLNet) were trained with the context first, as run_squad.py
    did it.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        config: ReaderConfig,
        *,
        type_vocab_size: int | None = None,
        context_first: bool = False,
    ):
        # tokenizer.json files of sentence encoders carry truncation and padding inside
        tokenizer.no_truncation()
        tokenizer.no_padding()
        # "[SEP]" in a text is five characters of that text, not an order to the model
        tokenizer.encode_special_tokens = True
        self.tokenizer = tokenizer
        self.config = config
        self.template = Template.of(tokenizer)
        self.types = sys.maxsize if type_vocab_size is None else max(type_vocab_size, 1)
        self.context_first = context_first
        # any id will do: the attention mask hides padding
        self.pad_id = (*self.template.before, *self.template.after)[0]
        room = config.max_length - config.max_question_length - len(self.template)
        if room <= config.overlap:
            raise ConfigError(
                f"max_length {config.max_length} leaves {room} context tokens beside a question of "
                f"{config.max_question_length} and {len(self.template)} special tokens: expected "
                f"more than the overlap of {config.overlap}"
            )
        self._context = functools.lru_cache(maxsize=8)(self._tokenize)
        # one question is asked of many passages; it is cut, and that is said, once
        self._question = functools.lru_cache(maxsize=8)(self._tokenize_question)

    @classmethod
    def of(cls, directory: ModelDirectory, *, config: ReaderConfig | None = None) -> Encoder:
        """The encoder of a model directory, by its own settings unless `config` replaces them.

        Raises `ModelError` when its tokenizer gives ids that the model does not have.
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
    def from_json(
        cls,
        text: str,
        config: ReaderConfig,
        *,
        type_vocab_size: int | None = None,
        context_first: bool = False,
    ) -> Encoder:
        """Take the content of a `tokenizer.json`."""
        with _named_errors():
            tokenizer = Tokenizer.from_str(text)
        return cls(tokenizer, config, type_vocab_size=type_vocab_size, context_first=context_first)

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
            # read here rather than by Tokenizer.from_file: its errors have no type of their own
            text = Path(path).read_text(encoding="utf-8")
            return cls.from_json(
                text, config, type_vocab_size=type_vocab_size, context_first=context_first
            )
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise ModelError(f"{path}: not UTF-8 text ({error})") from error
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error

    @property
    def vocab_size(self) -> int:
        """The number of token ids that the tokenizer can give."""
        return self.tokenizer.get_vocab_size(with_added_tokens=True)

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

        The lengths replace those of the config, and `step` the overlap: windows then start every
        `step` context tokens, whatever the question leaves room for. A question that would fill a
        window gets half of it, and so does an overlap that would fill what is left. Raises
        `InputError` for a blank question or what is not text.

            # room for 6 context tokens, overlap 4, answers of at most 2:
            #   window 0: the river rises in the hills
            #   window 1:           rises in the hills and ends
            # the answer "hills and" is split by window 0 and whole in window 1
        """
        template = self.template
        question_ids, room, starts = self._layout(
            question, context, max_length, overlap, step, max_question_length
        )
        tokens = self._context(context)
        before, between, after = (
            list(ids) for ids in (template.before, template.between, template.after)
        )
        if self.context_first:
            head, tail = before, [*between, *question_ids, *after]
            head_types = list(template.before_types)
            context_type = template.first_type
            tail_types = [
                *template.between_types,
                *[template.second_type] * len(question_ids),
                *template.after_types,
            ]
        else:
            head, tail = [*before, *question_ids, *between], after
            head_types = [
                *template.before_types,
                *[template.first_type] * len(question_ids),
                *template.between_types,
            ]
            context_type = template.second_type
            tail_types = list(template.after_types)
        for start in starts:
            ids = tokens.ids[start : start + room]
            input_ids = np.concatenate([head, ids, tail]).astype(np.int64)
            yield Window(
                input_ids=input_ids,
                # RoBERTa has one token type only, and XLNet has three, whatever its config says
                token_type_ids=np.minimum(
                    [*head_types, *[context_type] * len(ids), *tail_types], self.types - 1
                ),
                offsets=tokens.offsets[start : start + room],
                context_start=len(head),
                null_index=template.null % len(input_ids),
                first=start,
            )

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
        """The context tokens that each of `windows` holds, half open, without making the windows.

        run_squad.py calls these `doc_spans`. Options and errors are those of `windows`.
        """
        _, room, starts = self._layout(
            question, context, max_length, overlap, step, max_question_length
        )
        count = len(self._context(context).ids)
        return [(start, min(start + room, count)) for start in starts]

    def word_offsets(self, context: str) -> NDArray[np.int32]:
        """For each context token the characters of its whole word, (N, 2), half open."""
        return self._context(context).words

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
        """The first and last token of an answer in a window of the example's context: the target.

        Of several answers it is the first that the window holds whole. A window that holds none is
        labelled with the null token, twice.

            # the answer is "hills":         null 0 ->  (0, 0)
            #   window 0: [CLS] q [SEP] the river rises in      -> (0, 0)
            #   window 1: [CLS] q [SEP] rises in the hills and  -> (6, 6)
        """
        begins, ends = window.offsets[:, 0], window.offsets[:, 1]  # (C,) each, rising
        for answer in example.answers:
            start = answer.end - len(answer.text.lstrip())  # blanks are in no token
            end = answer.start + len(answer.text.rstrip())
            first = int(np.searchsorted(ends, start, side="right"))
            last = int(np.searchsorted(begins, end, side="left")) - 1
            # tokens of the answer lie before or after the window unless both ends are in it
            if first <= last and begins[0] <= start and end <= ends[-1]:
                return window.context_start + first, window.context_start + last
        return window.null_index, window.null_index

    def count(self, text: str) -> int:
        """The number of tokens of a text, without special ones."""
        return len(self._encode(text).ids)

    def batch(self, windows: Sequence[Window]) -> Batch:
        """Pad windows on the right to the longest of them."""
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
        ids: list[int] = self._encode(question.strip()).ids
        if not ids:  # also for zero-width and control characters, which many tokenizers drop
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

    def _tokenize(self, context: str) -> _Tokens:
        ids, offsets, words = [], [], []
        for start, end in _pieces(context):
            encoding = self._encode(context[start:end])
            ids.append(np.array(encoding.ids, dtype=np.int64))
            places = np.array(encoding.offsets, dtype=np.int32).reshape(-1, 2)
            offsets.append(places + start)
            words.append(_whole_words(places, encoding.word_ids) + start)
        return _Tokens(np.concatenate(ids), np.concatenate(offsets), np.concatenate(words))

    def _encode(self, text: str):  # type: ignore[no-untyped-def]  # tokenizers has no name for it
        text = _LONE_SURROGATE.sub("\ufffd", text)
        with _named_errors():
            return self.tokenizer.encode(text, add_special_tokens=False)


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Give a type to the errors of tokenizers: they are bare `Exception`s, or panics in Rust."""
    try:
        yield
    except MemoryError:
        raise
    except BaseException as error:
        # PanicException passes every `except Exception`, and cannot be imported
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise ModelError(
                f"the tokenizers library cannot work with this tokenizer.json ({error}). "
                "Copy it from the base model again."
            ) from error
        raise


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Where a long text is cut for the tokenizer; a usual one is a single piece."""
    start = 0
    while len(text) - start > _PIECE:
        near = start + _PIECE
        cut = _CUT.search(text, near, near + _PATIENCE)
        if not cut and len(text) > near + _PATIENCE:
            cut = _ANY_CUT.search(text, near)
        if not cut:
            break
        yield start, cut.start()
        start = cut.start()
    yield start, len(text)


def _whole_words(offsets: NDArray[np.int32], word_ids: list[int | None]) -> NDArray[np.int32]:
    """For each token the characters of its word, (N, 2); a token outside any word has its own."""
    if None in word_ids:
        return offsets
    number = np.array(word_ids, dtype=np.int32)  # (N,) rising, as tokenizers number words
    first = np.searchsorted(number, number, side="left")
    last = np.searchsorted(number, number, side="right") - 1
    return np.stack([offsets[first, 0], offsets[last, 1]], axis=1)


def bert_words(text: str, *, lowercase: bool) -> list[str]:
    """The words that BERT cuts into pieces: cleaned, and lower case without accents if asked.

    >>> bert_words("Café, 東京!", lowercase=True)
    ['cafe', ',', '東', '京', '!']
    """
    text = unicodedata.normalize("NFC", text)
    if lowercase:
        text = text.lower()  # which knows that a sigma at the end of a word is another letter
    normal = BertNormalizer(lowercase=lowercase).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normal)]


def _starts(tokens: int, room: int, step: int) -> Iterator[int]:
    """Where windows of `room` tokens start: every `step` tokens, until all have been seen."""
    start = 0
    while start < tokens:
        yield start
        if start + room >= tokens:
            return
        start += step
