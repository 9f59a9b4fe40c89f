"""Reader settings, stored with a model as `reader.json`: `ReaderConfig` and its `Calibration`.

Knows numbers and JSON values, not models. All settings have their defaults here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from pullquote.errors import ConfigError, InputError, PullquoteError, shown


def check_answerable(value: object, error: type[PullquoteError] = InputError) -> None:
    """Raise `error` unless `value` is a share of questions that have an answer."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < value <= 1:  # type: ignore[operator]  # nor NaN
        raise error(
            f"answerable is {shown(value)}, expected the share of questions with an answer: above "
            "0 and at most 1"
        )


def _check_known(settings: type[Any], values: Mapping[str, Any], where: str = "") -> None:
    """Raise `ConfigError` for keys that are no fields of the dataclass."""
    known = {field.name for field in fields(settings)}
    if unknown := sorted(set(values) - known):
        raise ConfigError(
            f"{where}unknown setting {', '.join(unknown)}. Known: {', '.join(sorted(known))}"
        )


def _check_type(name: str, value: object, declared: object) -> None:
    """Raise `ConfigError` when a setting does not have the declared type of its field."""
    if declared == "Calibration":
        matches, expected = isinstance(value, Calibration), "a Calibration"
    elif declared == "str":
        matches, expected = isinstance(value, str), "a string"
    elif declared == "bool":
        matches, expected = isinstance(value, bool), "true or false"
    elif declared == "float | None":
        matches, expected = value is None or _is_number(value), "a number or null"
    elif declared == "int":
        matches, expected = isinstance(value, int) and _is_number(value), "a number (int)"
    else:
        matches, expected = _is_number(value), "a number (float)"
    if not matches:
        raise ConfigError(f"{name} is {shown(value)}, expected {expected}")


def _check_number(name: str, value: object) -> None:
    _check_type(name, value, "float")
    if not math.isfinite(value):  # type: ignore[arg-type]  # checked above
        raise ConfigError(f"{name} is {value}, expected a finite number")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class LogOdds:
    """Log odds against "the best quote is right", linear in four numbers of a reading.

    The slopes are at least 0, so that a quote is never less likely to be right when the model
    believes in it more. `scoring/calibration.py` has the formula.
    """

    bias: float = 0.0
    """Constant term."""
    below: float = 0.0
    """Slope for `null_score_diff` below 0."""
    above: float = 0.0
    """Slope for `null_score_diff` above 0."""
    share: float = 0.0
    """Slope for the share of the best quote among all spans: how clearly it is the best."""
    windows: float = 0.0
    """Weight of the logarithm of the number of windows; may be negative."""

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_number(f"calibration: {field.name}", getattr(self, field.name))
        for name in ("below", "above", "share"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"calibration: the slope {name} is {getattr(self, name)}, expected at least 0"
                )


@dataclass(frozen=True, slots=True)
class Calibration:
    """Parameters that turn logits into probabilities; `scoring/calibration.py` has the formulas.

    The defaults mean no calibration: `no_answer_score` is the logistic function of
    `null_score_diff`.
    """

    none: LogOdds = LogOdds(below=1.0, above=1.0, share=1.0)
    """Log odds of "the text has no answer" against "the best quote is right"."""
    elsewhere: LogOdds = LogOdds(share=1.0)
    """Log odds of "the answer is another part of the text" against "the best quote is right"."""
    found: float = 1.0
    """How likely one of the other quotes is right, where the answer is another part of the text."""
    temperature: float = 1.0
    """Temperature of the softmax over the logits of the other quotes."""
    fitted_on: str = ""
    """A description of the data that these values were fitted on; empty if they were not."""

    def __post_init__(self) -> None:
        _check_type("calibration: fitted_on", self.fitted_on, "str")
        for name in ("found", "temperature"):
            _check_number(f"calibration: {name}", getattr(self, name))
        if not 0 <= self.found <= 1:
            raise ConfigError(f"calibration: found is {self.found}, expected 0 to 1")
        if self.temperature <= 0:
            raise ConfigError(f"calibration: temperature is {self.temperature}, expected above 0")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Calibration:
        """The `calibration` of a `reader.json`, of this form or of pullquote 0.1 and 0.2.

        Raises `ConfigError` for unknown keys and impossible values.
        """
        if set(values) & _EARLIER:
            return _from_earlier(values)
        _check_known(cls, values, "calibration: ")
        lines = {}
        for name in ("none", "elsewhere"):
            if name in values:
                line = values[name]
                if not isinstance(line, Mapping):
                    raise ConfigError(f"calibration: {name} is {shown(line)}, expected an object")
                _check_known(LogOdds, line, f"calibration: {name}: ")
                lines[name] = LogOdds(**line)
        return cls(**{**values, **lines})


_EARLIER = {"below", "above", "spread", "bias", "windows", "windows_temperature"}


def _from_earlier(values: Mapping[str, Any]) -> Calibration:
    """A calibration of pullquote 0.1 and 0.2 in the form of today; scores differ by 2 to 6
    percentage points on average.

    Those took "there is an answer" and "it is this quote" as independent. With d, the null score
    difference, s, the share of the best quote, and n windows, they had

        log odds of no answer   below, above (as today) - spread log s + windows log n + bias
        the best quote is right (1 - that probability) s^(1 / temperature), about

    The dependence of the temperature on n is left out.
    """
    known = _EARLIER | {"temperature", "fitted_on"}
    if unknown := sorted(set(values) - known):
        raise ConfigError(
            f"calibration: unknown setting {', '.join(unknown)}. Known: {', '.join(sorted(known))}"
        )
    numbers = {"below": 1.0, "above": 1.0, "temperature": 1.0}
    numbers |= {name: value for name, value in values.items() if name != "fitted_on"}
    for name, value in numbers.items():
        _check_number(f"calibration: {name}", value)
    if numbers["temperature"] <= 0:
        raise ConfigError(f"calibration: temperature is {numbers['temperature']}, expected above 0")
    sharpness = 1 / numbers["temperature"]
    return Calibration(
        none=LogOdds(
            bias=numbers.get("bias", 0.0),
            below=numbers["below"],
            above=numbers["above"],
            share=max(sharpness + numbers.get("spread", 0.0), 0.0),
            windows=numbers.get("windows", 0.0),
        ),
        elsewhere=LogOdds(share=sharpness),
        temperature=numbers["temperature"],
        fitted_on=values.get("fitted_on", ""),
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """How a reader decides between its best quote and no answer.

    It abstains if no answer is likelier than that the best quote is right, or, with a `threshold`,
    if `null_score_diff` exceeds that.
    """

    answerable: float = 0.5
    """The share of questions that are expected to have an answer, which probabilities are for."""
    threshold: float | None = None

    def abstains(self, score: float, no_answer_score: float, null_score_diff: float) -> bool:
        """Whether the reader gives no answer; `score` is that of its best quote."""
        if self.threshold is not None:
            return null_score_diff > self.threshold
        return no_answer_score > score


READER_FORMAT = 2
"""The `reader.json` format that this version writes, and the newest that it reads."""


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """Settings of a reader, stored beside the weights as `reader.json`; the only defaults.

    Lengths are tokens. Raises `ConfigError` for settings that contradict each other.

    >>> from pullquote import Reader, ReaderConfig
    >>> ReaderConfig(max_answer_length=10, overlap=64).max_length
    384
    >>> reader = Reader("tiny", config=ReaderConfig(no_answer_threshold=9999))  # always answers
    >>> reader.answer("Who led the Saxons?", "The Norse came by sea.").answer is None
    False
    """

    max_length: int = 384
    """Tokens of a window: special tokens, question and context together."""
    overlap: int = 128
    """Context tokens that two neighbouring windows share (Hugging Face's `doc_stride`)."""
    max_question_length: int = 64
    """A longer question is cut to this, with a warning."""
    max_answer_length: int = 30
    """No span is longer than this, before its quote is widened to what it would cut."""
    n_best_size: int = 20
    """The upper limit of `top_k`, and the length of run_squad.py's n-best lists."""
    no_answer_threshold: float = 0.0
    """The reader abstains when `null_score_diff` exceeds this; fitted on held-out data."""
    threshold_fitted_on: str = ""
    """A description of the data that the threshold was fitted on; empty if it was not."""
    answerable: float | None = None
    """The share of questions that are expected to have an answer, above 0 and at most 1. Scores and
    decisions follow from it, and the threshold is not used. None: the threshold decides, and scores
    are for a share of one half."""
    answerable_chosen_on: str = ""
    """A description of the data that `answerable` was chosen on; empty if it was not."""
    spelling: bool = True
    """Whether misspelt words of a question are read as words of the text or the vocabulary."""
    calibration: Calibration = Calibration()
    """How logits become probabilities."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            _check_type(field.name, value, field.type)
            if field.type == "int" and value < 1:
                raise ConfigError(f"{field.name} is {value}, expected at least 1")
        if self.answerable is not None:
            check_answerable(self.answerable, ConfigError)
        if not abs(self.no_answer_threshold) <= 1e9:  # also refuses NaN, which JSON cannot hold
            raise ConfigError(
                f"no_answer_threshold is {str(self.no_answer_threshold)[:20]}, expected a logit; "
                "9999 always answers, -9999 never"
            )
        # Windows that overlap by 2 x max_answer_length tokens never split an answer:
        #   overlap 4, answers of 2:  a b c d e f         the answer "d e" is whole in window 0,
        #                                 c d e f g h     the answer "f g" is whole in window 1
        if self.overlap < 2 * self.max_answer_length:
            raise ConfigError(
                f"overlap is {self.overlap}, expected at least 2 x max_answer_length = "
                f"{2 * self.max_answer_length}, so that no window border splits an answer"
            )
        if self.max_length <= self.max_question_length + self.overlap:
            raise ConfigError(
                f"max_length is {self.max_length}, which leaves no room to advance: expected more "
                f"than max_question_length + overlap = {self.max_question_length + self.overlap}"
            )

    def decision(self, threshold: float | None = None, answerable: float | None = None) -> Decision:
        """How to decide, given at most one of the two, which replaces the stored one.

        Raises `InputError` for both, and for impossible values.
        """
        if threshold is not None and answerable is not None:
            raise InputError(
                f"threshold={threshold} and answerable={answerable} are two ways to decide when to "
                "abstain; give one of them"
            )
        if threshold is not None and (not _is_number(threshold) or math.isnan(threshold)):
            raise InputError(f"threshold is {shown(threshold)}, expected a number")
        if answerable is not None:
            check_answerable(answerable)
            return Decision(answerable)
        if threshold is None and self.answerable is None:
            threshold = self.no_answer_threshold
        return Decision(0.5 if self.answerable is None else self.answerable, threshold)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str) -> ReaderConfig:
        """Read the content of `reader.json`; an unknown key is an error, a missing one a default.

        `where` names the file in errors. Raises `ConfigError` for a file of a newer format, too.
        """
        try:
            values = dict(values)
            format = values.pop("format", 1)  # pullquote 0.1 wrote no format number
            if not isinstance(format, int) or isinstance(format, bool) or format < 1:
                raise ConfigError(f"format is {shown(format)}, expected a whole number from 1")
            if format > READER_FORMAT:
                raise ConfigError(
                    f"format {format}, written by a newer pullquote; this one reads formats up to "
                    f"{READER_FORMAT}: pip install --upgrade pullquote"
                )
            _check_known(cls, values)
            calibration = values.get("calibration", {})
            if not isinstance(calibration, Mapping):
                raise ConfigError(f"calibration is {shown(calibration)}, expected an object")
            return cls(**{**values, "calibration": Calibration.from_json(calibration)})
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """The content of `reader.json`, which `from_json` reads."""
        return {"format": READER_FORMAT, **asdict(self)}
