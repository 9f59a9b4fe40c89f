"""`squad_convert_examples_to_features` of transformers 4.57.6, for the fast tokenizers of today.

Knows windows and words; the windows are everyone's, with `doc_stride` as the step between them.

    features = squad_convert_examples_to_features(examples, tokenizer, 384, 128, 64, False)
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from pullquote.compat.squad import SquadExample, SquadFeatures
from pullquote.errors import InputError, MissingExtraError, PullquoteWarning
from pullquote.reading.encode import Encoder
from pullquote.types import ReaderConfig, Window

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
    """The windows of examples as `SquadFeatures`; with `return_dataset="pt"` a dataset, too.

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
        if is_training and not example.is_impossible and not _is_there(example):
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
                window.context_start + token: _sees_most(windows, starts, starts[index] + token)
                == index
                for token in range(len(window.offsets))
            }
            if padding_strategy in ("max_length", True):
                _pad(feature, max_seq_length, tokenizer)
            features.append(feature)
    return (features, _dataset(features, is_training)) if return_dataset else features


def encoder_of(tokenizer: Any, type_vocab_size: int | None = None) -> Encoder:
    """The encoder of a fast tokenizer of transformers, with the default settings."""
    return Encoder.from_json(
        tokenizer.backend_tokenizer.to_str(),
        ReaderConfig(),
        type_vocab_size=type_vocab_size,
        context_first=getattr(tokenizer, "padding_side", "right") == "left",
    )


def _is_there(example: SquadExample) -> bool:
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
    special = set(tokenizer.all_special_ids)  # [UNK], too, as it was
    p_mask = [
        0 if first <= token < first + count and ids[token] not in special else 1
        for token in range(len(ids))
    ]
    p_mask[window.null_index] = 0
    start = end = 0
    impossible = example.is_impossible
    if is_training and not impossible:
        inside = [
            token
            for token, word in words.items()
            if example.start_position <= word <= example.end_position
        ]
        whole = inside and {words[inside[0]], words[inside[-1]]} == {
            example.start_position,
            example.end_position,
        }
        if whole:
            start, end = _trimmed(encoder, example, window, inside)
        else:
            start = end = window.null_index
            impossible = True
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


def _word(example: SquadExample, begin: int, end: int) -> int:
    """The word that a token belongs to; a sentencepiece token may begin with the blank before."""
    while begin < end - 1 and example.context_text[begin].isspace():
        begin += 1
    return example.char_to_word_offset[begin]


def _trimmed(
    encoder: Encoder, example: SquadExample, window: Window, inside: list[int]
) -> tuple[int, int]:
    """The tokens that read as the answer does, among those of its words: "Smith" of "(Smith)."."""
    answer = encoder.tokenizer.encode(example.answer_text, add_special_tokens=False).ids
    ids = window.input_ids[inside[0] : inside[-1] + 1].tolist()
    for start in range(len(ids) - len(answer) + 1):
        if ids[start : start + len(answer)] == answer:
            return inside[0] + start, inside[0] + start + len(answer) - 1
    return inside[0], inside[-1]


def _sees_most(windows: list[Window], starts: list[int], position: int) -> int:
    """The window with the most context on the poorer side of a token of the whole context.

    Google's rule, with its bonus for longer windows; among equals the first.
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
    """The tensors that run_squad.py trained on, or answered with."""
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
