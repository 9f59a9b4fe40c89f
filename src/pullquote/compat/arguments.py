"""Arguments of the pipeline: the accepted forms of questions and contexts, and its options.

Knows neither models nor scores.
"""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import Any

from pullquote.compat.squad import SquadExample
from pullquote.errors import PullquoteWarning

_INPUTS = {"question", "context", "data", "X"}
_IGNORED = {"padding", "batch_size", "num_workers", "truncation"}  # accepted without effect


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a call, with the pipeline's defaults; `None` depends on the model."""

    top_k: int = 1
    """The number of answers."""
    doc_stride: int | None = None
    """Overlap of neighbouring windows in tokens [half of max_seq_len, at most 128]."""
    max_answer_len: int = 15
    """The longest answer in tokens."""
    max_seq_len: int | None = None
    """The length of a window in tokens [that of the model, at most 384]."""
    max_question_len: int = 64
    """The longest question in tokens; longer ones are cut."""
    handle_impossible_answer: bool = False
    """Whether "no answer" is one of the candidates."""
    align_to_words: bool = True
    """Whether answers are widened to whole words."""

    def __post_init__(self) -> None:
        for name in ("handle_impossible_answer", "align_to_words"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected True or False")
        for name in ("top_k", "max_answer_len", "max_seq_len", "max_question_len", "doc_stride"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
                raise ValueError(f"{name} is {value!r}, expected a whole number")
            if value is not None and value < 1 and name != "doc_stride":
                raise ValueError(f"{name} parameter should be >= 1 (got {value})")
        if self.doc_stride is not None and self.doc_stride < 0:
            raise ValueError(f"doc_stride parameter should be >= 0 (got {self.doc_stride})")

    def updated(self, given: Mapping[str, Any], *, strict: bool = True) -> Options:
        """A copy with the `given` options; `None` keeps the old value.

        `topk` is accepted for `top_k`, with a warning. `strict` warns of unknown names.
        """
        names = {field.name for field in fields(self)}
        new = {name: value for name, value in given.items() if name in names and value is not None}
        if given.get("topk") is not None and "top_k" not in new:
            warnings.warn(
                "topk parameter is deprecated, use top_k instead", UserWarning, stacklevel=3
            )
            new["top_k"] = given["topk"]
        unknown = sorted(given.keys() - names - _INPUTS - _IGNORED - {"topk"})
        if unknown and strict:
            warnings.warn(
                f"unknown options are ignored: {', '.join(unknown)}. "
                f"Known are {', '.join(sorted(names))}",
                PullquoteWarning,
                stacklevel=3,
            )
        return replace(self, **new)

    def lengths(self, model_max_length: int, positions: int) -> tuple[int, int]:
        """`max_seq_len` and `doc_stride` for a model: its tokenizer's `model_max_length`, and the
        number of its `positions`.
        """
        length = self.max_seq_len or min(model_max_length, 384)
        stride = min(length // 2, 128) if self.doc_stride is None else self.doc_stride
        if stride > length:
            raise ValueError(f"`doc_stride` ({stride}) is larger than `max_seq_len` ({length})")
        return min(length, positions), stride


@dataclass(frozen=True, slots=True)
class Request:
    """One question on one or several contexts, whose answers are ranked together."""

    question: str
    contexts: tuple[str, ...]
    listed: bool = False  # the contexts were given as a list, so answers have their number


class QuestionAnsweringArgumentHandler:
    """Turns the arguments of a call into a list of `SquadExample`s; generators are returned as
    they are.
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False
    _load_tokenizer = True

    def normalize(self, item: Any) -> SquadExample:
        """Turn one item into a `SquadExample`. Raises `KeyError` or `ValueError`."""
        if _is_example(item):
            return item  # type: ignore[no-any-return]
        request = request_of(item, strict=True)
        return SquadExample(None, request.question, request.contexts[0], None, None, None)

    def __call__(self, *args: Any, **kwargs: Any) -> Iterable[SquadExample]:
        """Examples from positional arguments, `question=` and `context=`, `data=` or `X=`."""
        inputs = items_of(args, kwargs)
        return inputs if is_lazy(inputs) else [self.normalize(item) for item in inputs]


def items_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterable[Any]:
    """The unchanged items in the arguments of a call: a list, a generator or a dataset."""
    if args:
        if len(args) == 2 and all(type(argument) is str for argument in args):
            inputs: Any = [{"question": args[0], "context": args[1]}]
        else:
            inputs = args[0] if len(args) == 1 else list(args)
    elif "X" in kwargs or "data" in kwargs:
        name = "X" if "X" in kwargs else "data"
        warnings.warn(
            f"Passing the `{name}` argument to the pipeline is deprecated. Inputs should be passed "
            "using the `question` and `context` keyword arguments instead.",
            FutureWarning,
            stacklevel=3,
        )
        inputs = kwargs[name]
    elif "question" in kwargs and "context" in kwargs:
        inputs = _zipped(kwargs["question"], kwargs["context"])
    else:
        raise ValueError(
            f"Unknown arguments {dict(kwargs)}: expected question= and context=, or a dictionary"
        )
    if is_lazy(inputs):
        return inputs  # type: ignore[no-any-return]
    if isinstance(inputs, Mapping) and isinstance(_listed(inputs.get("question")), list):
        return _zipped(inputs["question"], inputs.get("context"))
    if isinstance(inputs, Mapping) or _is_example(inputs):
        return [inputs]
    if isinstance(inputs, Iterable):
        return list(inputs)
    raise ValueError(f"Invalid arguments: found {type(inputs).__name__}, expected a dictionary")


def _listed(texts: Any) -> Any:
    """A column of a frame, an Arrow table or a dataset as a list; anything else as it is."""
    if isinstance(texts, (str, list, Mapping)) or not isinstance(texts, Iterable):
        return texts
    return texts.to_pylist() if hasattr(texts, "to_pylist") else list(texts)


def _zipped(question: Any, context: Any) -> list[dict[str, Any]]:
    question, context = _listed(question), _listed(context)
    if isinstance(question, list) and isinstance(context, str):
        return [{"question": text, "context": context} for text in question]
    if isinstance(question, list) and isinstance(context, list):
        if len(question) != len(context):
            raise ValueError("Questions and contexts don't have the same lengths")
        pairs = zip(question, context, strict=True)
        return [{"question": text, "context": its_context} for text, its_context in pairs]
    if isinstance(question, str) and isinstance(context, (str, list)):
        return [{"question": question, "context": context}]
    raise ValueError(
        f"Arguments can't be understood: question is {type(question).__name__}, context is "
        f"{type(context).__name__}; expected texts or lists of texts"
    )


def request_of(item: Any, *, strict: bool) -> Request:
    """Turn one item into a `Request`. Raises `KeyError`, `TypeError` or `ValueError`.

    `strict` accepts what 4.57.6 did: no other keys, and no list of contexts.
    """
    if _is_example(item):
        return Request(item.question_text, (item.context_text,))
    if not isinstance(item, Mapping):
        raise ValueError(f"{item!r} argument needs to be of type (SquadExample, dict)")
    for key in ("question", "context"):
        if key not in item:
            raise KeyError("You need to provide a dictionary with keys {question:..., context:...}")
        if item[key] is None:
            raise ValueError(f"`{key}` cannot be None")
        if isinstance(item[key], (str, list)) and not item[key]:
            raise ValueError(f"`{key}` cannot be empty")
    if strict and (others := sorted(item.keys() - {"question", "context"})):
        raise TypeError(f"create_sample() got an unexpected keyword argument {others[0]!r}")
    question, contexts = item["question"], item["context"]
    listed = isinstance(contexts, list)
    if listed and not strict:
        for context in contexts:
            if not isinstance(context, str) or not context:
                raise ValueError("`context` cannot hold anything but texts, none of them empty")
    elif isinstance(contexts, str):
        contexts = [contexts]
    else:
        raise ValueError(f"`context` is {type(contexts).__name__}, expected a text")
    if not isinstance(question, str):
        raise ValueError(f"`question` is {type(question).__name__}, expected a text")
    return Request(question, tuple(contexts), listed)


def is_lazy(inputs: Any) -> bool:
    """Whether results are computed lazily: for generators and torch datasets."""
    if isinstance(inputs, types.GeneratorType):
        return True
    torch_data = sys.modules.get("torch.utils.data")  # if not imported, it is no torch dataset
    return torch_data is not None and isinstance(inputs, torch_data.Dataset)


def each(inputs: Any) -> Iterator[Any]:
    """The items of a generator or dataset."""
    if isinstance(inputs, Iterable):
        yield from inputs
    else:  # a torch dataset has a length and indices
        for index in range(len(inputs)):
            yield inputs[index]


def _is_example(item: Any) -> bool:
    """Whether it is a `SquadExample`, of pullquote or of transformers 4."""
    return hasattr(item, "question_text") and hasattr(item, "context_text")
