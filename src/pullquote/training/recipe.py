"""A training recipe: all settings of a training run, saved as TOML beside the weights.

Knows names and values, neither torch nor data.

    recipe = Recipe.from_toml("recipes/tiny-1.toml", learning_rate=1e-3)
    recipe.to_toml()
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pullquote.checkpoints import layout
from pullquote.data.toml import read_toml
from pullquote.errors import ConfigError
from pullquote.settings import ReaderConfig

_READER = ReaderConfig()


def _option(
    default: Any,
    help: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field with its help text, and the range or the choices of its value."""
    return field(
        default=default, metadata={"help": help, "low": low, "high": high, "choices": choices}
    )


AUGMENTATIONS = (
    *("moved", "elsewhere", "swapped", "opposed", "shuffled", "cloze", "teacher"),
    *("misspelt", "keywords"),
)
"""The kinds of `augment`; see `training/augment.py`."""


_TEACHER_WEIGHTS = ("soft_weight", "hidden_weight", "relation_weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The options of `pullquote train`, which are the keys of the TOML file.

    Lengths are in tokens; a `_share` is a fraction.

    >>> from pullquote.training.recipe import Recipe
    >>> recipe = Recipe(model="L2-H128", train=("train.json",), epochs=5.0)
    >>> recipe.learning_rate
    0.0001
    """

    # model and data
    model: str = _option("", "Model to start from: hub id, directory, or a shape such as L2-H128.")
    tokenizer: str = _option("small", "For a shape: the model whose tokenizer it uses.")
    stack: str = _option(
        "",
        "For a shape: a checkpoint with fewer layers to copy; further layers start without effect.",
    )
    embeddings: str = _option(
        "",
        "For a shape: a checkpoint whose word embeddings it takes; some attention heads start as "
        "exact-match, previous-token and neighbour heads.",
    )
    train: tuple[str, ...] = _option((), "Data to train on (SQuAD JSON, JSONL, CSV, Parquet).")
    tune: str = _option(
        "", "Held-out data, to choose the best checkpoint, and fit its threshold and scores."
    )
    answerable_from: str = _option(
        "",
        "Data that looks like use: the share of answerable questions under which the trained "
        "reader gives about the most right answers minus wrong ones there is stored with it.",
    )
    questions: int = _option(0, "Train on a random sample of so many questions; 0: all.", low=0)
    augment: tuple[str, ...] = _option(
        (),
        "Data augmentation, kinds of questions to make: " + ", ".join(AUGMENTATIONS) + ".",
        choices=AUGMENTATIONS,
    )
    augment_share: float = _option(
        0.25, "Made questions of each kind, as a fraction of the real ones.", low=0, high=10
    )

    # windows
    max_length: int = _option(_READER.max_length, "Maximum tokens of a window.", low=16)
    overlap: int = _option(
        _READER.overlap, "Context tokens that neighbouring windows share.", low=2
    )
    max_question_length: int = _option(
        _READER.max_question_length, "Maximum tokens of a question.", low=1
    )
    max_answer_length: int = _option(
        _READER.max_answer_length, "Maximum tokens of an answer.", low=1
    )

    # optimisation
    epochs: float = _option(3.0, "Passes over the data.", low=0.001)
    tokens: int = _option(
        8192, "Batch size: tokens of an optimiser step, over all processes.", low=16
    )
    micro_tokens: int = _option(2048, "Micro-batch size: tokens in one forward pass.", low=16)
    windows: int = _option(
        0,
        "Batch size in windows, at most; 0: limited by tokens only.",
        low=0,
    )
    max_steps: int = _option(0, "Number of optimiser steps; 0: by epochs.", low=0)
    minutes: float = _option(
        0.0, "Train for so long, with a schedule that ends in time; 0: by epochs.", low=0
    )
    learning_rate: float = _option(1e-4, "Peak learning rate of AdamW.", low=0, high=1)
    embedding_rate_share: float = _option(
        1.0, "Learning rate of word embeddings, as a fraction; 0: frozen.", low=0, high=1
    )
    warmup_share: float = _option(0.05, "Warmup, as a fraction of all steps.", low=0, high=1)
    warmup_steps: int = _option(0, "Warmup steps; 0: by warmup_share.", low=0)
    schedule: str = _option(
        "linear", "Learning rate schedule after warmup.", choices=("linear", "cosine", "constant")
    )
    weight_decay: float = _option(
        0.01, "Weight decay; biases and layer norms have none.", low=0, high=1
    )
    beta2: float = _option(0.999, "AdamW's beta2.", low=0, high=0.9999999)
    adam_epsilon: float = _option(1e-8, "AdamW's epsilon.", low=1e-16, high=1)
    max_grad_norm: float = _option(1.0, "Gradients are clipped to this norm; 0: never.", low=0)
    dropout: float = _option(0.0, "Dropout of hidden states and attention.", low=0, high=0.9)
    average: float = _option(
        0.0,
        "Decay of a moving average of the weights, which is then what is saved; 0: none.",
        low=0,
        high=0.99999,
    )
    precision: str = _option(
        "auto",
        "auto: bf16 where the device computes faster in it.",
        choices=("auto", "fp32", "bf16"),
    )
    seed: int = _option(0, "Random seed of data order, new weights and dropout.", low=0)

    # loss
    label_weight: float = _option(1.0, "Loss weight of the gold labels.", low=0)
    teacher: tuple[str, ...] = _option((), "Models to distill; the logits of several are averaged.")
    labels: str = _option(
        "", "File of teacher logits (made by `pullquote label`), in place of a teacher."
    )
    temperature: float = _option(2.0, "Softmax temperature of distillation.", low=0.1)
    soft_weight: float = _option(0.0, "Loss weight of the teacher's start and end logits.", low=0)
    hidden_weight: float = _option(0.0, "Loss weight of the first teacher's hidden states.", low=0)
    relation_weight: float = _option(
        0.0, "Loss weight of the first teacher's last-layer attention relations (MiniLM).", low=0
    )
    relation_heads: int = _option(8, "Relation heads (MiniLM).", low=1)

    # evaluation
    evaluations: int = _option(4, "Number of evaluations on tune, the last at the end.", low=1)
    evaluation_questions: int = _option(2000, "Questions of tune in an evaluation; 0: all.", low=0)
    save_minutes: float = _option(5.0, "Minutes between saves of the training state.", low=0)

    def __post_init__(self) -> None:
        for spec in fields(self):
            _check(spec.name, getattr(self, spec.name), spec.default, spec.metadata)
        if self.micro_tokens < self.max_length or self.tokens < self.max_length:
            raise ConfigError(
                f"tokens is {self.tokens} and micro_tokens {self.micro_tokens}, expected at least "
                f"max_length = {self.max_length}: a window must fit"
            )
        weights = [getattr(self, name) for name in _TEACHER_WEIGHTS]
        if any(weights) and not (self.teacher or self.labels):
            raise ConfigError(f"{', '.join(_TEACHER_WEIGHTS)} need a teacher")
        if self.labels and self.teacher:
            raise ConfigError(
                "labels and teacher both say where logits come from; set one of the two"
            )
        if self.labels and (any(weights[1:]) or not self.soft_weight):
            raise ConfigError(
                "labels hold a teacher's logits alone, which soft_weight weighs; expected it "
                "above 0, and hidden_weight and relation_weight 0"
            )
        if self.teacher and not any(weights) and "teacher" not in self.augment:
            raise ConfigError(
                "a teacher is given but nothing is learned from it; set one of "
                f"{', '.join(_TEACHER_WEIGHTS)}"
            )
        if self.answerable_from and not self.tune:
            raise ConfigError("answerable_from needs tune, on which scores are calibrated first")
        if self.stack and self.embeddings:
            raise ConfigError(
                "stack and embeddings both say where the weights of a shape come from; set one"
            )
        if not (self.label_weight or any(weights)):
            raise ConfigError("all weights of the loss are 0; there is nothing to learn")
        self.reader_config()  # checks that the lengths fit together

    def reader_config(self) -> ReaderConfig:
        """The reader settings of the trained model; the threshold is fitted after training."""
        return ReaderConfig(
            max_length=self.max_length,
            overlap=self.overlap,
            max_question_length=self.max_question_length,
            max_answer_length=self.max_answer_length,
        )

    def named_only(self) -> Recipe:
        """The recipe to publish: files and local models by their names, without directories."""
        return replace(
            self,
            model=_public_name(self.model),
            tokenizer=_public_name(self.tokenizer),
            stack=_public_name(self.stack),
            embeddings=_public_name(self.embeddings),
            train=tuple(Path(file).name for file in self.train),
            tune=Path(self.tune).name,
            answerable_from=Path(self.answerable_from).name,
            teacher=tuple(_public_name(name) for name in self.teacher),
            labels=Path(self.labels).name,
        )

    @classmethod
    def from_toml(cls, path: str | Path, **options: Any) -> Recipe:
        """Read a recipe; `options` replace its values.

        >>> from pathlib import Path
        >>> from pullquote.training.recipe import Recipe
        >>> _ = Path("recipe.toml").write_text('model = "tiny"\\nepochs = 5')
        >>> Recipe.from_toml("recipe.toml", epochs=3.0).epochs
        3.0
        """
        return cls.from_values({**read_toml(path), **options}, str(path))

    @classmethod
    def from_values(cls, values: Mapping[str, Any], where: str = "recipe") -> Recipe:
        """Make a recipe of values as a TOML file has them; `where` names their source in errors.

        With a teacher or its labels and no weight for them, `soft_weight` is 1.
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
        named = set(_TEACHER_WEIGHTS) & set(taken) or (
            isinstance(kinds, tuple) and "teacher" in kinds
        )
        if (taken.get("teacher") or taken.get("labels")) and not named:
            taken["soft_weight"] = 1.0
        try:
            return cls(**taken)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    def to_toml(self) -> str:
        """The recipe with all its defaults; reading it gives the same recipe."""
        lines = []
        for name, value in asdict(self).items():
            # JSON's strings, numbers, booleans and arrays are valid TOML
            text = json.dumps(
                list(value) if isinstance(value, tuple) else value, ensure_ascii=False
            ).replace("\x7f", "\\u007f")
            lines.append(f"{name} = {text}\n")
        return "".join(lines)


def read_recipe(directory: Path) -> Recipe | None:
    """The recipe in a model directory; None where there is none."""
    file = directory / layout.RECIPE
    return Recipe.from_toml(file) if file.is_file() else None


def _public_name(model: str) -> str:
    """A hub id as it is; of a directory the last part."""
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
