"""Pydantic models of request and response bodies: validation and the OpenAPI document.

Knows the JSON only. Limits on lengths are settings, which the routes check (`limits`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from pullquote.compat.arguments import Options

_LIGHTHOUSE = "The first lighthouse on the rocks was built by Henry Winstanley."

# One value or a list: the tag is chosen first, so that errors concern the form that was sent.
_ONE, _LIST = "one of it", "a list"
TAGS = (_ONE, _LIST)
_which = Discriminator(lambda value: _LIST if isinstance(value, list) else _ONE)

Text = Annotated[str, Field(min_length=1)]
# fail at the first wrong item: a request may hold a million of them
Texts = Annotated[list[Text], Field(min_length=1, fail_fast=True)]
ExpectedShare = Annotated[
    float | None,
    Field(
        gt=0,
        le=1,
        description="The share of your questions that you expect to have an answer: scores and the "
        "decision follow from it. Left out, as `/v1/model` says. Not together with `threshold`.",
        examples=[0.75],
    ),
]
MetadataValue = str | int | Annotated[float, Field(allow_inf_nan=False)] | bool | None
TextOrTexts = Annotated[Annotated[Text, Tag(_ONE)] | Annotated[Texts, Tag(_LIST)], _which]


class _RequestBody(BaseModel):
    """Base of request bodies: unknown keys are errors, and numbers are not taken for text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AnswerRequest(_RequestBody):
    """One question or several, each asked of one context or several."""

    question: TextOrTexts = Field(
        description="A question, or a list of them.",
        examples=["Who built the first lighthouse?"],
    )
    context: TextOrTexts = Field(
        description="The text to quote from, or a list of them.", examples=[_LIGHTHOUSE]
    )
    top_k: int = Field(
        1,
        ge=1,
        le=1000,
        description="How many quotes `answers` holds, as far as there are; at least five where "
        "`answer` is null.",
    )
    threshold: float | None = Field(
        default=None,
        ge=-1e9,
        le=1e9,
        description="Abstain when `null_score_diff` exceeds this. Not together with `answerable`.",
    )
    answerable: ExpectedShare = None

    @property
    def questions(self) -> Sequence[str]:
        return [self.question] if isinstance(self.question, str) else self.question

    @property
    def contexts(self) -> Sequence[str]:
        return [self.context] if isinstance(self.context, str) else self.context


class Correction(BaseModel):
    """A word of the question that was read as another word, which the texts or the model know."""

    word: str = Field(examples=["lighthuose"])
    read_as: str = Field(examples=["lighthouse"])


# What every result says of the decision between its best quote and no answer.
UsedShare = Annotated[
    float,
    Field(
        description="The share of questions that was expected to have an answer; scores are for it."
    ),
]
UsedThreshold = Annotated[
    float | None,
    Field(
        description="The threshold that decided: `answer` is null where `null_score_diff` exceeds "
        "it. Null where the probabilities decided: `answer` is null where `no_answer_score` "
        "exceeds the score of the best quote."
    ),
]
Corrections = Annotated[
    list[Correction], Field(description="Misspelt words of the question, as they were read.")
]


class Quote(BaseModel):
    """A piece of the context: `context[start:end] == text`."""

    text: str = Field(examples=["Henry Winstanley"])
    start: int = Field(
        description="In code points, as Python counts; JavaScript counts UTF-16.", examples=[47]
    )
    end: int = Field(description="The character after the last; exclusive.", examples=[63])
    score: float = Field(
        description="The probability that it is right, in [0, 1].", examples=[0.97]
    )
    start_logit: float = Field(description="Of the first token.", examples=[6.1])
    end_logit: float = Field(description="Of the last token.", examples=[5.7])


class Result(BaseModel):
    """The result for one pair of a question and a context."""

    question: int = Field(description="The number of the question, from 0.", examples=[0])
    context: int = Field(description="The number of the context, from 0.", examples=[0])
    answer: Quote | None = Field(description="The best quote, or null: the text has no answer.")
    answers: list[Quote] = Field(
        description="The best `top_k` quotes, best first; none overlaps another. Where `answer` is "
        "null, these are the nearest quotes, at least five, as far as there are."
    )
    no_answer_score: float = Field(
        description="The probability that the text has no answer, in [0, 1].", examples=[0.02]
    )
    answerable: UsedShare = Field(examples=[0.75])
    null_score_diff: float = Field(
        description="Logit of no answer minus that of the best quote.", examples=[-3.9]
    )
    threshold: UsedThreshold = Field(examples=[None])
    corrections: Corrections = Field(examples=[[]])
    note: str = Field(
        default="",
        description="What was done that you may not have meant: a question that was cut.",
    )


class AnswerResponse(BaseModel):
    """A result for each pair of question and context: all contexts of the first question first."""

    model: str = Field(examples=["small"])
    answerable: UsedShare = Field(examples=[0.75])
    threshold: UsedThreshold = Field(examples=[None])
    results: list[Result]


class AskRequest(_RequestBody):
    """A question to all documents of the server's index."""

    question: Text = Field(description="A question.", examples=["Who repairs the sluice gate?"])
    top_k: int = Field(
        1,
        ge=1,
        le=1000,
        description="How many quotes `answers` holds, as far as there are; at least five where "
        "`answer` is null.",
    )
    path: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description="A glob that documents must match, whole or from some folder on.",
        examples=["*.pdf"],
    )
    where: dict[str, MetadataValue] | None = Field(
        default=None,
        max_length=20,
        description="Fields of the documents' metadata, or columns of tables in files, each with "
        "the value that it must have.",
        examples=[None],
    )
    threshold: float | None = Field(
        default=None,
        ge=-1e9,
        le=1e9,
        description="Abstain when `null_score_diff` exceeds this; left out, the model's own way to "
        "decide. Not together with `answerable`.",
    )
    answerable: ExpectedShare = None


class Place(BaseModel):
    """Where something stands: a line, page, section, paragraph, slide, message or row, from 1."""

    document: str = Field(
        description="Its path, from the folder on that was indexed.", examples=["mill/lease.pdf"]
    )
    path: str = Field(description="The same, under the name of 0.1.", examples=["mill/lease.pdf"])
    line: int | None = Field(default=None)
    page: int | None = Field(default=None, examples=[3])
    section: int | None = Field(default=None)
    paragraph: int | None = Field(default=None)
    slide: int | None = Field(default=None)
    message: int | None = Field(default=None)
    row: int | None = Field(default=None)
    sheet: str | None = Field(default=None, description="Of a workbook of several sheets.")
    link: str = Field(examples=["mill/lease.pdf#page=3"])


class DocumentQuote(Place):
    """A quote from a document: `passage[start - passage_start : end - passage_start] == text`."""

    text: str = Field(examples=["three months"])
    score: float = Field(
        description="The probability that it is right, in [0, 1].", examples=[0.68]
    )
    start: int = Field(description="In code points of the document's text.", examples=[1034])
    end: int = Field(description="The character after the last; exclusive.", examples=[1046])
    sentence: str = Field(description="The sentence around it.")
    passage: str = Field(description="What was read of the document.")
    passage_start: int = Field(description="Where that begins.")
    also: list[Place] = Field(description="Where else the same stands.")
    metadata: dict[str, Any] = Field(
        description="Of a text that was added in Python, or of a row in a file of texts.",
        examples=[{}],
    )


class AskResponse(BaseModel):
    """The best quotes of all documents."""

    question: str
    model: str = Field(examples=["small"])
    answerable: UsedShare = Field(examples=[0.75])
    threshold: UsedThreshold = Field(examples=[None])
    corrections: Corrections = Field(examples=[[]])
    answer: DocumentQuote | None = Field(
        description="The best quote, or null: no document has an answer."
    )
    no_answer_score: float = Field(
        description="The probability that no document has an answer, in [0, 1].", examples=[0.12]
    )
    null_score_diff: float = Field(
        description="Logit of no answer minus that of the best quote.", examples=[-5.1]
    )
    passages: int = Field(description="How many were read.", examples=[20])
    answers: list[DocumentQuote] = Field(
        description="The best `top_k` quotes, best first; none overlaps another. Where `answer` is "
        "null, these are the nearest quotes, at least five, as far as there are."
    )
    note: str = Field(
        default="",
        description="What was done that you may not have meant: a question that was cut, filters "
        "that left nothing.",
    )


class PipelineInputs(BaseModel):
    """A question and its context; other keys are ignored."""

    model_config = ConfigDict(strict=True)

    question: Text = Field(examples=["Who built the first lighthouse?"])
    context: Text = Field(examples=[_LIGHTHOUSE])


class PipelineParameters(_RequestBody):
    """The options of transformers' pipeline; what is left out or null has its default."""

    top_k: int | None = Field(default=None, ge=1, le=1000, description="How many answers [1].")
    align_to_words: bool | None = Field(
        default=None, description="Whether answers are widened to whole words [true]."
    )
    doc_stride: int | None = Field(
        default=None, ge=0, description="Tokens that neighbouring windows share [128]."
    )
    handle_impossible_answer: bool | None = Field(
        default=None, description='Whether "no answer", an empty text, competes [false].'
    )
    max_answer_len: int | None = Field(default=None, ge=1, description="Tokens of an answer [15].")
    max_question_len: int | None = Field(
        default=None, ge=1, description="Tokens of a question; more are cut [64]."
    )
    max_seq_len: int | None = Field(
        default=None,
        ge=8,
        le=8192,
        description="Tokens of a window [what the model reads, at most 384].",
    )

    def options(self) -> Options:
        """As options of the pipeline. Raises `ValueError` for impossible combinations."""
        return Options().updated(self.model_dump())


class PipelineRequest(_RequestBody):
    """What `huggingface_hub.InferenceClient.question_answering` sends."""

    inputs: Annotated[
        Annotated[PipelineInputs, Tag(_ONE)]
        | Annotated[list[PipelineInputs], Field(min_length=1, fail_fast=True), Tag(_LIST)],
        _which,
    ]
    parameters: PipelineParameters = PipelineParameters()
    options: dict[str, Any] = Field(
        default={}, description="Of Hugging Face's own service; ignored."
    )


class PipelineAnswer(BaseModel):
    """An answer of transformers' pipeline; an empty text at 0 is "no answer"."""

    answer: str = Field(examples=["Henry Winstanley"])
    score: float = Field(description="In [0, 1].", examples=[0.97])
    start: int = Field(examples=[47])
    end: int = Field(examples=[63])


PipelineResponse = (
    PipelineAnswer | list[PipelineAnswer] | list[PipelineAnswer | list[PipelineAnswer]]
)
"""One answer, or a list where there are several; a list of those for a list of inputs."""


class ModelResponse(BaseModel):
    """The model that answers, and what may be asked of it."""

    model: str = Field(examples=["small"])
    version: str = Field(description="Of pullquote.", examples=["0.2.0"])
    answerable: float | None = Field(
        description="The share of questions that are expected to have an answer, where a request "
        "names none; null: `threshold` decides.",
        examples=[0.75],
    )
    threshold: float = Field(
        description="Stored with the model; not used unless `answerable` is null.",
        examples=[-1.778],
    )
    spelling: bool = Field(
        description="Whether misspelt words of questions are read as other words.", examples=[True]
    )
    top_k: int = Field(description="The most quotes that there are.", examples=[20])
    index: bool = Field(description="Whether there is an index for /v1/ask.", examples=[False])
    documents: int = Field(description="How many documents the index has.", examples=[0])
    max_question: int = Field(description="Characters.")
    max_context: int = Field(description="Characters.")
    max_pairs: int = Field(description="Questions times contexts.")
    max_body: int = Field(description="Bytes.")
    max_file: int = Field(description="Bytes of a document that is sent to /v1/text.")
    max_seconds: float


class DocumentText(BaseModel):
    """The text of a document."""

    text: str = Field(
        description="Its first `max_context` characters.", examples=["The rent is 840 crowns."]
    )
    is_whole: bool = Field(description="False: the document has more text.", examples=[True])
    note: str = Field(
        description="What was skipped, or guessed; empty if nothing was.", examples=[""]
    )


class Health(BaseModel):
    """That all is well."""

    status: str = Field(description="`ok`, or `ready`.", examples=["ok"])
