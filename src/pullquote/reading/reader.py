"""The reader: answers a question about a context with a `Prediction`.

Connects a model directory, an `Encoder`, a `Backend` and `decode`; everything that answers
questions goes through here.

    reader = Reader()                                  # the bundled model
    prediction = reader.answer("Who led the Norse?", context)
    for prediction in reader.answer_all(examples): ... # lazily, in order, batched by length inside
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pullquote.checkpoints.directory import DEFAULT_MODEL, open_model
from pullquote.errors import InputError
from pullquote.progress import Progress, no_progress
from pullquote.reading import decode
from pullquote.reading.backends.choose import choose, load_backend
from pullquote.reading.batching import Batched, LogitRow, SpanSearch
from pullquote.reading.encode import Encoder
from pullquote.reading.spelling import Spelling
from pullquote.settings import Decision, ReaderConfig, check_answerable
from pullquote.types import Correction, Example, Highlight, Prediction, Window, WindowSpans

if TYPE_CHECKING:
    from pullquote.reading.backends import Backend
    from pullquote.types import Batch

_Result = TypeVar("_Result")


class Reader:
    """Answers questions about texts with one model.

    >>> from pullquote import Reader
    >>> reader = Reader()  # the bundled model
    >>> reader.answer("Who led the Norse?", "The Norse, led by Rollo, came by sea.").text
    'Rollo'

    `model` is a bundled name, a local directory or a hub id. `device` is "cpu" or what the backend
    knows ("cuda", "cuda:1"); `threads` is the largest number of threads, None uses all cores.
    `config` replaces the settings stored with the model; `answerable`, the share of questions that
    are expected to have an answer, and `spelling`, whether misspelt words of questions are read as
    other words, replace one of them.

    The compiled engine reads `packed.safetensors` and the `model.safetensors` of BERT-like models;
    other checkpoints are read by torch, a `model.onnx` by ONNX Runtime (both extras). Of several,
    the first in the order packed, ONNX, checkpoint is taken on a CPU; other devices prefer the
    checkpoint. `precision` "auto" reads checkpoints of BERT-like models in int8, two to four times
    as fast as in fp32, and warns once how much that changes the logits of a few sample texts, which
    takes as long as answering a few questions; "int8" does so without measuring, and "fp32" rounds
    nothing. Without the engine, numpy or torch reads in fp32. `backend` replaces all of these, and
    keeps the model's tokenizer. Raises `ModelError` for a model that cannot be loaded, `InputError`
    for a precision that it cannot be read in. Several threads may share a reader.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT_MODEL,
        *,
        device: str = "cpu",
        threads: int | None = None,
        precision: str = "auto",
        config: ReaderConfig | None = None,
        answerable: float | None = None,
        spelling: bool | None = None,
        backend: Backend | None = None,
    ) -> None:
        if threads is not None and not 1 <= threads <= 1024:
            raise InputError(f"threads is {threads}, expected 1 to 1024")
        self.directory = open_model(model)
        config = config or self.directory.config
        if answerable is not None:
            check_answerable(answerable)
            config = replace(config, answerable=answerable, answerable_chosen_on="")
        if spelling is not None:
            config = replace(config, spelling=spelling)
        self.directory = replace(self.directory, config=config)
        self.config = config
        self.encoder = Encoder.of(self.directory)
        self.spelling = Spelling(self.encoder)
        self.backend = backend or load_backend(
            self.directory,
            device,
            threads,
            precision=precision,
            samples=self._samples,
        )
        self._opened = None if backend else _Opened(device, threads, precision)

    def _samples(self) -> Batch:
        from pullquote.reading.backends.rounding import sample_windows  # few models need it

        return sample_windows(self.encoder)

    @property
    def note(self) -> str:
        """What is to be said once where scores are shown: that they are not calibrated, or ""."""
        if self.config.calibration.fitted_on:
            return ""
        name = self.directory.name
        return (
            f"the scores of {name} are no probabilities, for they were never calibrated; "
            f"pullquote calibrate {name} DATA does that"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as directory and settings; a process that gets it several times loads it once.

        Raises `TypeError` for a reader whose backend was given to it.
        """
        if self._opened is None:
            raise TypeError(
                f"a Reader whose backend was given to it ({type(self.backend).__name__}) does not "
                "pickle; make it in the process that uses it"
            )
        device, threads, precision = self._opened
        if precision == "auto" and choose(self.directory, device).precision == "int8":
            precision = "int8"  # measured here, and warned of
        settings = (str(self.directory.path), device, threads, precision, self.config)
        _keep(settings, self)  # so that a forked process finds it
        return _reader, settings

    def __copy__(self) -> Reader:
        """A reader with the same backend."""
        made = object.__new__(type(self))
        vars(made).update(vars(self))
        return made

    def answer(
        self,
        question: str,
        context: str,
        *,
        top_k: int = 1,
        threshold: float | None = None,
        answerable: float | None = None,
        progress: Progress = no_progress,
    ) -> Prediction:
        """Answer one question; options as for `answer_all`.

        `progress` counts the characters of the context that were read.

        >>> from pullquote import Reader
        >>> Reader().answer("Who led the Norse?", "The Norse, led by Rollo, came by sea.").text
        'Rollo'
        """
        example = Example(id="", question=question, context=context)
        options = self._options(top_k, threshold, answerable)

        def after_chunk(last: Window) -> None:
            progress(int(last.offsets[-1, 1]), len(context), "reading")

        (prediction,) = self._answer_all([example], options, after_chunk)
        progress(len(context), len(context), "reading")  # blanks at the end are in no window
        return prediction

    def answer_all(
        self,
        examples: Iterable[Example | Mapping[str, Any] | tuple[str, str]],
        *,
        top_k: int = 1,
        threshold: float | None = None,
        answerable: float | None = None,
        overlapping: bool = False,
    ) -> Iterator[Prediction]:
        """Answer many questions: a lazy iterator of one prediction for each example, in order.

        >>> from pullquote import Reader
        >>> context = "The Norse, led by Rollo, came by sea."
        >>> pairs = [("Who led the Norse?", context), ("How did the Norse come?", context)]
        >>> [prediction.text for prediction in Reader().answer_all(pairs)]
        ['Rollo', 'by sea']

        An example is an `Example`, a pair of a question and a context, or a dictionary with these
        keys and perhaps `id`; without one its number, from 1, is its id. `top_k` is how many quotes
        `Prediction.answers` has, at most the model's `n_best_size`, as far as there are; quotes do
        not overlap. One of two options may replace the decision that is stored with the model:
        `answerable`, the share of the questions that are expected to have an answer (above 0, at
        most 1), or `threshold`, which abstains when `null_score_diff` exceeds it. `overlapping`
        gives run_squad.py's n-best lists: quotes that may overlap, as the model marked them. A
        blank context has no answer; a blank question raises `InputError`.
        """
        options = self._options(top_k, threshold, answerable, overlapping)
        return self._answer_all(itertools.starmap(_example, enumerate(examples, 1)), options)

    def highlight(self, question: str, text: str, *, least: float = 0.3) -> list[Highlight]:
        """The sentences and entries of lists that bear on a question, in the order of the text.

        >>> from pullquote import Reader
        >>> text = "The mill is old. The rent is 840 crowns. It is due on the third."
        >>> [found.text for found in Reader().highlight("How much is the rent?", text)]
        ['The rent is 840 crowns.']

        Those whose probability to hold an answer is at least `least`: none, one or several, for a
        question may have several answers. Raises `InputError` for a blank question.
        """
        from pullquote.reading import highlight  # an answer needs none of it

        if self.config.spelling and isinstance(question, str) and isinstance(text, str):
            question = self.spelling.correct(question, [text]).question
        (windows,) = self.read_all([Example("", question, text)], limit=highlight.SPANS)
        return highlight.highlight(text, windows, least=least)

    def read_all(
        self, examples: Iterable[Example], *, limit: int = decode.NEAREST
    ) -> Iterator[list[decode.Candidates]]:
        """Candidate spans of each example's windows, for choosing an answer from several texts.

        A lazy iterator, in order; one entry for each window, with at most `limit` spans, none for a
        blank context. Questions are read as they are: see `Spelling`.
        """
        batched = self._batched(
            lambda task: self._windows(task.example),
            lambda _, windows: windows,
            limit=limit,
        )
        return batched.run(map(_Task, examples))

    def _options(
        self,
        top_k: int,
        threshold: float | None,
        answerable: float | None,
        overlapping: bool = False,
    ) -> _Options:
        if not isinstance(top_k, int) or not 1 <= top_k <= self.config.n_best_size:
            raise InputError(
                f"top_k is {top_k}, expected 1 to {self.config.n_best_size} (n_best_size)"
            )
        return _Options(top_k, self.config.decision(threshold, answerable), overlapping)

    def _answer_all(
        self,
        examples: Iterable[Example],
        options: _Options,
        after_chunk: Callable[[Window], None] | None = None,
    ) -> Iterator[Prediction]:
        least = self.config.n_best_size if options.overlapping else decode.NEAREST
        limit = max(options.top_k, least)

        def windows(task: _Task) -> Iterator[Window]:
            example = task.example
            if self.config.spelling and _has_text(example):
                respelt = self.spelling.correct(example.question, [example.context])
                if respelt.corrections:
                    task.corrections = respelt.corrections
                    example = replace(example, question=respelt.question)
            return self._windows(example)

        def finish(task: _Task, candidates: list[decode.Candidates]) -> Prediction:
            prediction = decode.merge(
                task.example.id,
                task.example.context,
                candidates,
                limit=limit,
                top_k=options.top_k,
                decision=options.decision,
                calibration=self.config.calibration,
                overlapping=options.overlapping,
            )
            if task.corrections:
                return replace(prediction, corrections=task.corrections)
            return prediction

        batched = self._batched(windows, finish, limit=limit, overlapping=options.overlapping)
        return batched.run(map(_Task, examples), after_chunk)

    def _batched(
        self,
        windows: Callable[[_Task], Iterator[Window]],
        finish: Callable[[_Task, list[decode.Candidates]], _Result],
        *,
        limit: int,
        overlapping: bool = False,
    ) -> Batched[_Task, Window, decode.Candidates, _Result]:
        longest = self.config.max_answer_length

        def read(task: _Task, window: Window, start: LogitRow, end: LogitRow) -> decode.Candidates:
            return decode.read_window(
                window,
                start,
                end,
                task.example.context,
                max_answer_length=longest,
                limit=limit,
                overlapping=overlapping,
            )

        def read_spans(task: _Task, _: Window, found: WindowSpans) -> decode.Candidates | None:
            return decode.read_spans(found, task.example.context, limit=limit)

        # a backend finds spans that do not overlap
        search = None if overlapping else SpanSearch(longest, limit + decode.SPARE, read_spans)
        return Batched(self.encoder, self.backend, windows, read, finish, search)

    def _windows(self, example: Example) -> Iterator[Window]:
        if not isinstance(example, Example):
            raise InputError(
                f"found {type(example).__name__}, expected an Example, a pair of a question and a "
                "context, or a dictionary with both"
            )
        try:
            yield from self.encoder.windows(example.question, example.context)
        except InputError as error:
            if not example.id:  # called by `answer`
                raise
            raise InputError(f"example {example.id!r}: {error}") from None


class _Opened(NamedTuple):
    """How a reader's backend was loaded."""

    device: str
    threads: int | None
    precision: str


_READERS: dict[tuple[Any, ...], Reader] = {}
"""The last readers of this process that were pickled or unpickled, by their settings."""
_KEPT = 4


def _reader(
    path: str, device: str, threads: int | None, precision: str, config: ReaderConfig
) -> Reader:
    """The reader that a pickle describes, loaded once in a process."""
    settings = (path, device, threads, precision, config)
    if not (reader := _READERS.get(settings)):
        reader = Reader(path, device=device, threads=threads, precision=precision, config=config)
        _keep(settings, reader)
    return reader


def _keep(settings: tuple[Any, ...], reader: Reader) -> None:
    _READERS[settings] = reader
    for oldest in list(_READERS)[:-_KEPT]:
        _READERS.pop(oldest, None)


class _Options(NamedTuple):
    """How questions are answered."""

    top_k: int
    decision: Decision
    overlapping: bool


@dataclass(slots=True)
class _Task:
    """An example, and how its question was read."""

    example: Example
    corrections: tuple[Correction, ...] = ()


def _example(number: int, item: Example | Mapping[str, Any] | tuple[str, str]) -> Example:
    """An example of what `answer_all` takes; anything else stays, for `_windows` to refuse."""
    if isinstance(item, Mapping):
        try:
            id = item.get("id")
            id = number if id is None or id == "" else id
            return Example(str(id), item["question"], item["context"])
        except KeyError as error:
            raise InputError(
                f"example {number} has no {error.args[0]}, only {', '.join(map(str, item))[:80]}; "
                "expected question and context"
            ) from None
    if isinstance(item, tuple) and len(item) == 2:
        return Example(str(number), *item)
    return item


def _has_text(example: object) -> bool:
    """Whether it is an example with texts; `Reader._windows` raises the error where it is not."""
    return (
        isinstance(example, Example)
        and isinstance(example.question, str)
        and isinstance(example.context, str)
    )
