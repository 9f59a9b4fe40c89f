"""A training recipe: every choice behind a model, as a TOML file that is saved beside the weights.

Knows names and numbers, neither torch nor data.

    recipe = Recipe.from_toml("recipes/tiny-1.toml", learning_rate=1e-3)
    recipe.to_toml()
"""

from __future__ import annotations

import difflib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pullquote.data.formats import decode_text, read_bytes
from pullquote.errors import ConfigError, DataError, MissingExtraError
from pullquote.types import ReaderConfig

_READER = ReaderConfig()


def _option(
    default: Any,
    help: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field with what a person needs to know of it: one line, a range or the words it may be."""
    return field(
        default=default, metadata={"help": help, "low": low, "high": high, "choices": choices}
    )


AUGMENTATIONS = ("moved", "elsewhere", "swapped", "opposed", "shuffled", "cloze", "teacher")
"""What `augment` may name; see `training/augment.py`."""


_TAUGHT = ("soft_weight", "hidden_weight", "relation_weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every option of `pullquote train`, a key of the TOML file each.

    Lengths are tokens; what ends in `_share` is a part of the whole.

    >>> from pullquote.training.recipe import Recipe
    >>> recipe = Recipe(model="L2-H128", train=("train.json",), epochs=5.0)
    >>> recipe.learning_rate
    0.0001
    """

    # what is trained, on what
    model: str = _option("", "Start: hub id, checkpoint directory, or a shape such as L2-H128.")
    tokenizer: str = _option("small", "For a shape: the model whose vocabulary it takes.")
    stack: str = _option(
        "",
        "For a shape: a shallower checkpoint, under new layers that change nothing at first.",
    )
    embeddings: str = _option(
        "",
        "For a shape: a checkpoint whose word embeddings it takes, with heads that find the same "
        "word, the word before and the words around from the start.",
    )
    train: tuple[str, ...] = _option((), "Data to train on (SQuAD JSON, JSONL, CSV, Parquet).")
    tune: str = _option("", "Held-out data: chooses the best checkpoint, fits the threshold.")
    questions: int = _option(0, "Train on this many questions only, chosen by seed; 0: all.", low=0)
    augment: tuple[str, ...] = _option(
        (), "Made training questions: " + ", ".join(AUGMENTATIONS) + ".", choices=AUGMENTATIONS
    )
    augment_share: float = _option(
        0.25, "Made questions of each kind, as a share of the real ones.", low=0, high=10
    )

    # windows
    max_length: int = _option(_READER.max_length, "Tokens of a window.", low=16)
    overlap: int = _option(_READER.overlap, "Context tokens that two windows share.", low=2)
    max_question_length: int = _option(_READER.max_question_length, "Tokens of a question.", low=1)
    max_answer_length: int = _option(_READER.max_answer_length, "Tokens of an answer.", low=1)

    # optimisation
    epochs: float = _option(3.0, "Passes over the data.", low=0.001)
    tokens: int = _option(8192, "Tokens of an optimiser step, over all processes.", low=16)
    micro_tokens: int = _option(4096, "Tokens that go through the model at once.", low=16)
    windows: int = _option(
        0,
        "Windows of an optimiser step at most, as batch sizes are elsewhere; 0: by tokens.",
        low=0,
    )
    max_steps: int = _option(0, "End after so many steps; 0: by epochs.", low=0)
    learning_rate: float = _option(1e-4, "Peak learning rate of AdamW.", low=0, high=1)
    embedding_rate_share: float = _option(
        1.0, "The word embeddings' share of the rate; 0: they stay.", low=0, high=1
    )
    warmup_share: float = _option(0.05, "Part of all steps in which the rate rises.", low=0, high=1)
    warmup_steps: int = _option(0, "Steps in which the rate rises; 0: by share.", low=0)
    schedule: str = _option(
        "linear", "How the rate falls to 0.", choices=("linear", "cosine", "constant")
    )
    weight_decay: float = _option(0.01, "Weight decay of matrices.", low=0, high=1)
    beta2: float = _option(0.999, "AdamW's second momentum.", low=0, high=0.9999999)
    adam_epsilon: float = _option(1e-8, "AdamW's epsilon.", low=1e-16, high=1)
    max_grad_norm: float = _option(1.0, "Gradients are clipped to this norm; 0: never.", low=0)
    dropout: float = _option(0.0, "Dropout of hidden states and attention.", low=0, high=0.9)
    average: float = _option(
        0.0,
        "Decay of a running average of the weights, which is kept then; 0: none.",
        low=0,
        high=0.99999,
    )
    precision: str = _option(
        "auto", "auto: bf16 where the processor has it.", choices=("auto", "fp32", "bf16")
    )
    seed: int = _option(0, "Seed of the order, the new weights and the dropout.", low=0)

    # loss
    label_weight: float = _option(1.0, "Weight of the gold labels.", low=0)
    teacher: tuple[str, ...] = _option((), "Readers to learn from; several are averaged.")
    temperature: float = _option(2.0, "Softens the teacher's and student's logits.", low=0.1)
    soft_weight: float = _option(0.0, "Weight of the teacher's soft start and end.", low=0)
    hidden_weight: float = _option(0.0, "Weight of the first teacher's hidden states.", low=0)
    relation_weight: float = _option(
        0.0, "Weight of the first teacher's last query, key and value relations (MiniLM).", low=0
    )
    relation_heads: int = _option(8, "Heads into which relations are cut.", low=1)

    # watching
    evaluations: int = _option(4, "Evaluations on tune, the last at the end.", low=1)
    evaluation_questions: int = _option(
        2000, "Questions of tune by which checkpoints are compared; 0: all.", low=0
    )
    save_minutes: float = _option(5.0, "Minutes between saves of the state.", low=0)

    def __post_init__(self) -> None:
        for spec in fields(self):
            _check(spec.name, getattr(self, spec.name), spec.default, spec.metadata)
        if self.micro_tokens < self.max_length or self.tokens < self.max_length:
            raise ConfigError(
                f"tokens is {self.tokens} and micro_tokens {self.micro_tokens}, expected at least "
                f"max_length = {self.max_length}: a window must fit"
            )
        weights = [getattr(self, name) for name in _TAUGHT]
        if any(weights) and not self.teacher:
            raise ConfigError(f"{', '.join(_TAUGHT)} need a teacher")
        if self.teacher and not any(weights) and "teacher" not in self.augment:
            raise ConfigError(
                "a teacher is given but nothing is learned from it; set one of "
                f"{', '.join(_TAUGHT)}"
            )
        if self.stack and self.embeddings:
            raise ConfigError(
                "stack and embeddings both say where the weights of a shape come from; set one"
            )
        if not (self.label_weight or any(weights)):
            raise ConfigError("all weights of the loss are 0; there is nothing to learn")
        self.reader_config()  # which checks how the lengths go together

    def reader_config(self) -> ReaderConfig:
        """The settings of the reader that is trained; its threshold is fitted later."""
        return ReaderConfig(
            max_length=self.max_length,
            overlap=self.overlap,
            max_question_length=self.max_question_length,
            max_answer_length=self.max_answer_length,
        )

    def named_only(self) -> Recipe:
        """The recipe with files and directories by their names alone, to be shown to others."""
        return replace(
            self,
            model=_shown(self.model),
            tokenizer=_shown(self.tokenizer),
            stack=_shown(self.stack),
            embeddings=_shown(self.embeddings),
            train=tuple(Path(file).name for file in self.train),
            tune=Path(self.tune).name,
            teacher=tuple(_shown(name) for name in self.teacher),
        )

    @classmethod
    def from_toml(cls, path: str | Path, **options: Any) -> Recipe:
        """Read a recipe; `options` replace what it says.

        >>> from pathlib import Path
        >>> from pullquote.training.recipe import Recipe
        >>> _ = Path("recipe.toml").write_text('model = "tiny"\\nepochs = 5')
        >>> Recipe.from_toml("recipe.toml", epochs=3.0).epochs
        3.0
        """
        return cls.from_values({**read_toml(path), **options}, str(path))

    @classmethod
    def from_values(cls, values: Mapping[str, Any], where: str = "recipe") -> Recipe:
        """Check names and kinds, as from a TOML file; `where` names it in errors.

        A teacher that is given no task is learned from by its soft labels, with weight 1.
        """
        specs = {spec.name: spec for spec in fields(cls)}
        taken = {}
        for name, value in values.items():
            if name not in specs:
                near = difflib.get_close_matches(name, specs, 1)
                hint = f"; did you mean {near[0]}?" if near else f". Known: {', '.join(specs)}"
                raise ConfigError(f"{where}: unknown key {name}{hint}")
            if isinstance(specs[name].default, tuple):
                value = (value,) if isinstance(value, str) else value
                value = tuple(value) if isinstance(value, list) else value
            elif isinstance(specs[name].default, float) and type(value) is int:
                value = float(value)
            taken[name] = value
        kinds = taken.get("augment")
        named = set(_TAUGHT) & set(taken) or (isinstance(kinds, tuple) and "teacher" in kinds)
        if taken.get("teacher") and not named:
            taken["soft_weight"] = 1.0
        try:
            return cls(**taken)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    def to_toml(self) -> str:
        """The whole recipe, defaults included; reading it gives the same recipe."""
        lines = []
        for name, value in asdict(self).items():
            # TOML takes JSON's strings, numbers, booleans and arrays as they are
            text = json.dumps(
                list(value) if isinstance(value, tuple) else value, ensure_ascii=False
            ).replace("\x7f", "\\u007f")
            lines.append(f"{name} = {text}\n")
        return "".join(lines)


def _shown(model: str) -> str:
    """A model's name as others know it: a hub id stays, of a directory the last part."""
    if not model:
        return model
    local = Path(model).is_absolute() or model.startswith((".", "~")) or model.count("/") != 1
    return Path(model).name if local or Path(model).exists() else model


def _check(name: str, value: Any, default: Any, metadata: Mapping[str, Any]) -> None:
    kind = type(default)
    if type(value) is not kind and not (kind is float and type(value) is int):
        word = {str: "a string", tuple: "a list of strings", float: "a number"}.get(
            kind, "a whole number"
        )
        raise ConfigError(f"{name} is {value!r}, expected {word}")
    if kind in (int, float):
        low, high = metadata["low"], metadata["high"]
        if not low <= value <= high or math.isinf(value):
            bounds = f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
            raise ConfigError(f"{name} is {value}, expected {bounds}")
    choices = metadata["choices"]
    for word in value if kind is tuple else (value,):
        if kind is tuple and not isinstance(word, str):
            raise ConfigError(f"{name} holds {word!r}, expected strings")
        if choices and word not in choices:
            raise ConfigError(f"{name} is {word!r}, expected {' or '.join(choices)}")


def read_toml(path: str | Path) -> dict[str, Any]:
    """The keys and values of a TOML file."""
    try:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
    except ImportError as error:
        raise MissingExtraError("tomli", "train") from error
    try:
        values: dict[str, Any] = tomllib.loads(decode_text(read_bytes(Path(path))))
        return values
    except DataError as error:
        raise ConfigError(f"{path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML ({error})") from None
