"""`transformers.data.processors.squad` of 4.57.6: examples, features, results, file processors.

Data structures under the names of transformers; does not know models.

    SquadV2Processor().get_dev_examples("data", filename="dev-v2.0.json")
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pullquote.data.formats import read_bytes
from pullquote.errors import DataError
from pullquote.json_text import decode_text, parse_json

_BLANKS = " \t\r\n\u202f"


class SquadExample:
    """A question on a context, with `doc_tokens`, the words of the context split at blanks.

    `start_position` and `end_position` are the first and last word of `answer_text` if
    `start_position_character` is given, otherwise 0.

    >>> from pullquote.compat.squad import SquadExample
    >>> example = SquadExample("1", "Who led?", "Rollo led them.", "Rollo", 0, "Norse")
    >>> example.doc_tokens, example.start_position
    (['Rollo', 'led', 'them.'], 0)
    """

    def __init__(
        self,
        qas_id: str | None,
        question_text: str,
        context_text: str,
        answer_text: str | None,
        start_position_character: int | None,
        title: str | None,
        answers: Sequence[dict[str, Any]] = (),
        is_impossible: bool = False,
    ) -> None:
        self.qas_id: Any = qas_id
        self.question_text = question_text
        self.context_text = context_text
        self.answer_text = answer_text
        self.title = title
        self.answers = list(answers)
        self.is_impossible = is_impossible
        self.doc_tokens: list[str] = []
        # the word of each character; a blank belongs to the word before it
        self.char_to_word_offset: list[int] = []
        self.start_position = self.end_position = 0

        inside = False
        for character in context_text:
            if character in _BLANKS:
                inside = False
            elif inside:
                self.doc_tokens[-1] += character
            else:
                self.doc_tokens.append(character)
                inside = True
            self.char_to_word_offset.append(len(self.doc_tokens) - 1)
        if start_position_character is not None and not is_impossible:
            last = start_position_character + len(answer_text or "") - 1
            self.start_position = self.char_to_word_offset[start_position_character]
            self.end_position = self.char_to_word_offset[
                min(last, len(self.char_to_word_offset) - 1)
            ]

    def __repr__(self) -> str:
        return f"SquadExample(qas_id={self.qas_id!r}, question_text={self.question_text!r}, ...)"


@dataclass(eq=False)
class SquadFeatures:
    """A window with the field names of run_squad.py."""

    input_ids: list[int]
    attention_mask: list[int]
    token_type_ids: list[int]
    cls_index: int
    p_mask: list[int]
    example_index: int
    unique_id: int
    paragraph_len: int
    token_is_max_context: dict[int, bool]
    tokens: list[str]
    token_to_orig_map: dict[int, int]
    start_position: int
    end_position: int
    is_impossible: bool
    qas_id: str | None = None
    encoding: Any = None


@dataclass(eq=False)
class SquadResult:
    """The logits of the window with this `unique_id`; the last three are for XLNet and XLM."""

    unique_id: int
    start_logits: Sequence[float]
    end_logits: Sequence[float]
    start_top_index: Sequence[int] = field(default_factory=list)
    end_top_index: Sequence[int] = field(default_factory=list)
    cls_logits: float = 0.0


class SquadProcessor:
    """Reads SQuAD files: training examples with the first answer, dev examples with all answers."""

    train_file: ClassVar[str | None] = None
    dev_file: ClassVar[str | None] = None

    def get_train_examples(
        self, data_dir: str | None, filename: str | None = None
    ) -> list[SquadExample]:
        """The examples of `filename`, or of the official training file, in `data_dir`."""
        return self._read(data_dir, filename or self.train_file, training=True)

    def get_dev_examples(
        self, data_dir: str | None, filename: str | None = None
    ) -> list[SquadExample]:
        """The examples of `filename`, or of the official dev file, in `data_dir`."""
        return self._read(data_dir, filename or self.dev_file, training=False)

    def _read(
        self, data_dir: str | None, filename: str | None, *, training: bool
    ) -> list[SquadExample]:
        if filename is None:
            raise ValueError(
                "SquadProcessor knows no file names: use SquadV1Processor or SquadV2Processor, or "
                "give filename="
            )
        path = Path(data_dir or "", filename)
        try:
            return list(_examples(parse_json(decode_text(read_bytes(path))), training))
        except DataError as error:
            if not path.exists():  # scripts catch FileNotFoundError
                raise FileNotFoundError(2, os.strerror(2), str(path)) from error
            raise DataError(f"{path}: {error}") from None
        except (KeyError, TypeError, IndexError) as error:
            raise DataError(
                f"{path}: not a SQuAD file ({type(error).__name__}: {error}); look at it with: "
                f"pullquote data check {path}"
            ) from error


def _examples(root: Any, training: bool) -> Iterator[SquadExample]:
    for article in root["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                impossible = qa.get("is_impossible", False)
                first = qa["answers"][0] if training and not impossible else {}
                yield SquadExample(
                    qas_id=qa["id"],
                    question_text=qa["question"],
                    context_text=paragraph["context"],
                    answer_text=first.get("text"),
                    start_position_character=first.get("answer_start"),
                    title=article.get("title", ""),
                    answers=[] if training or impossible else qa["answers"],
                    is_impossible=impossible,
                )


class SquadV1Processor(SquadProcessor):
    """SQuAD 1.1 under its official names."""

    train_file = "train-v1.1.json"
    dev_file = "dev-v1.1.json"


class SquadV2Processor(SquadProcessor):
    """SQuAD 2.0 under its official names."""

    train_file = "train-v2.0.json"
    dev_file = "dev-v2.0.json"
