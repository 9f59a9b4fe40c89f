"""`squad_convert_examples_to_features` of transformers 4.57.6, for today's fast tokenizers.

Uses the windows of `Encoder`, with `doc_stride` as the step between their starts.

    features = squad_convert_examples_to_features(examples, tokenizer, 384, 128, 64, False)
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from pullquote.compat.squad import SquadExample, SquadFeatures
from pullquote.errors import InputError, MissingExtraError, PullquoteWarning
from pullquote.reading.encode import Encoder
from pullquote.reading.tokenizer import TextTokenizer
from pullquote.settings import ReaderConfig
from pullquote.types import Window

_FIRST_ID = 1_000_000_000


def squad_convert_examples_to_features(
    examples: Iterable[SquadExample],
    tokenizer: Any,
    max_seq_length: int,
    doc_stride: int,
    max_query_length: int,
    is_training: bool,
    padding_strategy: str | bool = "max_length",
    return_dataset: bool | str = False,
    threads: int = 1,
    tqdm_enabled: bool = True,
) -> Any:
    """The windows of examples as `SquadFeatures`; with `return_dataset="pt"` also as a dataset.

    `tokenizer` is a fast one of transformers. A training window without the answer is labelled with
    `[CLS]` and kept; an answer that is not in its context is left out, with a warning. `threads`
    and `tqdm_enabled` are accepted and ignored.

    >>> from transformers import AutoTokenizer  # doctest: +SKIP
    >>> from pullquote.compat.features import squad_convert_examples_to_features  # doctest: +SKIP
    >>> from pullquote.compat.squad import SquadV2Processor  # doctest: +SKIP
    >>> examples = SquadV2Processor().get_dev_examples("data")  # doctest: +SKIP
    >>> tokenizer = AutoTokenizer.from_pretrained("./checkpoint")  # doctest: +SKIP
    >>> features = squad_convert_examples_to_features(
    ...     examples, tokenizer, 384, 128, 64, is_training=False
    ... )  # doctest: +SKIP
    """
    if return_dataset not in (False, "pt"):
        raise InputError(f"return_dataset is {return_dataset!r}, expected False or 'pt'")
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise InputError(f"found {type(tokenizer).__name__}, expected a fast tokenizer")
    encoder = encoder_of(tokenizer)
    features: list[SquadFeatures] = []
    for number, example in enumerate(examples):
        if is_training and not example.is_impossible and not _has_answer_text(example):
            warnings.warn(
                f"example {example.qas_id!r}: the answer {example.answer_text!r} is not where it "
                "is said to be; left out",
                PullquoteWarning,
                stacklevel=2,
            )
            continue
        windows = list(
            encoder.windows(
                example.question_text,
                example.context_text,
                max_length=max_seq_length,
                step=doc_stride,
                max_question_length=max_query_length,
            )
        )
        starts = [index * doc_stride for index in range(len(windows))]
        for index, window in enumerate(windows):
            feature = _feature(encoder, tokenizer, example, window, is_training)
            feature.example_index = number
            feature.unique_id = _FIRST_ID + len(features)
            feature.token_is_max_context = {
                window.context_start + token: index
                == _max_context_window(windows, starts, starts[index] + token)
                for token in range(len(window.offsets))
            }
            if padding_strategy in ("max_length", True):
                _pad(feature, max_seq_length, tokenizer)
            features.append(feature)
    return (features, _dataset(features, is_training)) if return_dataset else features


def encoder_of(tokenizer: Any, type_vocab_size: int | None = None) -> Encoder:
    """An encoder with a fast tokenizer of transformers and the default settings."""
    return Encoder(
        TextTokenizer(tokenizer.backend_tokenizer.to_str().encode()),
        ReaderConfig(),
        type_vocab_size=type_vocab_size,
        context_first=getattr(tokenizer, "padding_side", "right") == "left",
    )


def _has_answer_text(example: SquadExample) -> bool:
    """Whether the words at the answer's position contain its text."""
    words = " ".join(example.doc_tokens[example.start_position : example.end_position + 1])
    return " ".join((example.answer_text or "").split()) in words


def _feature(
    encoder: Encoder, tokenizer: Any, example: SquadExample, window: Window, is_training: bool
) -> SquadFeatures:
    first, count = window.context_start, len(window.offsets)
    ids = window.input_ids.tolist()
    words = {
        first + token: _word(example, int(begin), int(end))
        for token, (begin, end) in enumerate(window.offsets)
    }
    special = set(tokenizer.all_special_ids)  # includes [UNK], as in 4.57.6
    p_mask = [
        0 if first <= token < first + count and ids[token] not in special else 1
        for token in range(len(ids))
    ]
    p_mask[window.null_index] = 0
    start = end = 0
    impossible = example.is_impossible
    if is_training and not impossible:
        label = _label(encoder, example, window, words)
        impossible = label is None
        start, end = label or (window.null_index, window.null_index)
    return SquadFeatures(
        input_ids=ids,
        attention_mask=[1] * len(ids),
        token_type_ids=window.token_type_ids.tolist(),
        cls_index=window.null_index,
        p_mask=p_mask,
        example_index=0,
        unique_id=0,
        paragraph_len=count,
        token_is_max_context={},
        tokens=tokenizer.convert_ids_to_tokens(ids),
        token_to_orig_map=words,
        start_position=start,
        end_position=end,
        is_impossible=impossible,
        qas_id=example.qas_id,
    )


def _label(
    encoder: Encoder, example: SquadExample, window: Window, words: dict[int, int]
) -> tuple[int, int] | None:
    """The first and last token of the answer; `None` if not all of its words are in the window.

    `words` maps tokens of the window to words of the context.
    """
    first_word, last_word = example.start_position, example.end_position
    tokens = [token for token, word in words.items() if first_word <= word <= last_word]
    if not tokens or {words[tokens[0]], words[tokens[-1]]} != {first_word, last_word}:
        return None
    return _trimmed(encoder, example, window, tokens)


def _word(example: SquadExample, begin: int, end: int) -> int:
    """The word of a token; sentencepiece tokens may start with the blank before the word."""
    while begin < end - 1 and example.context_text[begin].isspace():
        begin += 1
    return example.char_to_word_offset[begin]


def _trimmed(
    encoder: Encoder, example: SquadExample, window: Window, tokens: list[int]
) -> tuple[int, int]:
    """The tokens of the answer among those of its words: of "(Smith)." only "Smith"."""
    answer = encoder.tokenizer.encode(example.answer_text, add_special_tokens=False).ids
    ids = window.input_ids[tokens[0] : tokens[-1] + 1].tolist()
    for start in range(len(ids) - len(answer) + 1):
        if ids[start : start + len(answer)] == answer:
            return tokens[0] + start, tokens[0] + start + len(answer) - 1
    return tokens[0], tokens[-1]


def _max_context_window(windows: list[Window], starts: list[int], position: int) -> int:
    """The window that gives a token of the context the most context on its shorter side.

    Google's rule for "max context", with its bonus for longer windows; of equal windows the first.
    """

    def context(index: int) -> float:
        length = len(windows[index].offsets)
        left = position - starts[index]
        right = starts[index] + length - 1 - position
        return min(left, right) + 0.01 * length if left >= 0 and right >= 0 else -1.0

    return max(range(len(windows)), key=context)


def _pad(feature: SquadFeatures, length: int, tokenizer: Any) -> None:
    """Pad to `length` on the tokenizer's side."""
    missing = length - len(feature.input_ids)
    for name, value in (
        ("input_ids", tokenizer.pad_token_id),
        ("attention_mask", 0),
        ("token_type_ids", getattr(tokenizer, "pad_token_type_id", 0)),
        ("p_mask", 1),
    ):
        padding = [value] * missing
        row = getattr(feature, name)
        left = tokenizer.padding_side == "left"
        setattr(feature, name, [*padding, *row] if left else [*row, *padding])
    if tokenizer.padding_side == "left":
        feature.cls_index += missing


def _dataset(features: list[SquadFeatures], is_training: bool) -> Any:
    """The tensors that run_squad.py used for training or for prediction."""
    try:
        import torch
        from torch.utils.data import TensorDataset
    except ImportError as error:
        raise MissingExtraError("torch", "torch") from error

    def column(name: str, kind: Any = torch.long) -> torch.Tensor:
        return torch.tensor([getattr(feature, name) for feature in features], dtype=kind)

    inputs = [column(name) for name in ("input_ids", "attention_mask", "token_type_ids")]
    rest = [column("cls_index"), column("p_mask", torch.float)]
    if is_training:
        labels = [column("start_position"), column("end_position")]
        return TensorDataset(*inputs, *labels, *rest, column("is_impossible", torch.float))
    return TensorDataset(*inputs, torch.arange(len(features)), *rest)
