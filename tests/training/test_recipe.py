"""Recipes: TOML there and back, and what is said of a wrong one."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from pullquote.errors import ConfigError
from pullquote.training.recipe import Recipe


def test_a_recipe_survives_toml(tmp_path: Path) -> None:
    recipe = Recipe(
        model='a "b" \\ c \x7f',
        train=("x.json", "ü😀.json"),
        learning_rate=3e-5,
        augment=("moved",),
    )
    file = tmp_path / "recipe.toml"
    file.write_text(recipe.to_toml(), encoding="utf-8")
    assert Recipe.from_toml(file) == recipe


def test_options_replace_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('epochs = 2\ntrain = "one.json"\n')
    assert Recipe.from_toml(file, epochs=5.0) == Recipe(epochs=5.0, train=("one.json",))


def test_a_teacher_alone_means_soft_labels() -> None:
    assert Recipe.from_values({"teacher": "small"}).soft_weight == 1.0
    labelling = Recipe.from_values({"teacher": "small", "augment": "teacher"})
    assert labelling.soft_weight == 0.0
    chosen = Recipe.from_values({"teacher": "small", "hidden_weight": 2})
    assert (chosen.soft_weight, chosen.hidden_weight) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"learnin_rate": 1e-3}, "unknown key learnin_rate; did you mean learning_rate?"),
        ({"zzz": 1}, "unknown key zzz. Known: model, "),
        ({"learning_rate": -1.0}, "learning_rate is -1.0, expected 0 to 1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, expected 0 to 1"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast', expected a number"),
        ({"epochs": 0}, "epochs is 0.0, expected at least 0.001"),
        ({"tokens": 1.5}, "tokens is 1.5, expected a whole number"),
        ({"seed": True}, "seed is True, expected a whole number"),
        ({"train": [1]}, "train holds 1, expected strings"),
        ({"tune": ["a"]}, "tune is ['a'], expected a string"),
        ({"schedule": "steps"}, "schedule is 'steps', expected linear or cosine or constant"),
        ({"augment": ["moved", "more"]}, "augment is 'more', expected moved or"),
        ({"tokens": 100}, "a window must fit"),
        ({"soft_weight": 1.0}, "need a teacher"),
        ({"teacher": ["small"], "soft_weight": 0.0}, "nothing is learned from it"),
        ({"label_weight": 0.0}, "there is nothing to learn"),
        ({"overlap": 10}, "overlap is 10, expected at least 2 x max_answer_length"),
    ],
)
def test_a_wrong_recipe_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Recipe.from_values(values, "my.toml")
    assert str(raised.value).startswith("my.toml: ")
    assert words in str(raised.value)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: no such file"):
        Recipe.from_toml(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("epochs 3")
    with pytest.raises(ConfigError, match=r"bad\.toml: not TOML"):
        Recipe.from_toml(tmp_path / "bad.toml")


def test_each_key_has_a_line_that_explains_it() -> None:
    for spec in fields(Recipe):
        assert spec.metadata["help"].endswith("."), spec.name


def test_others_see_names_and_no_paths(tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    recipe = Recipe(
        model=str(tmp_path / "start"),
        train=(str(tmp_path / "a.json"),),
        tune=str(tmp_path / "b.json"),
        answerable_from=str(tmp_path / "c.json"),
        teacher=("me/large",),
        soft_weight=1.0,
    )
    shown = recipe.named_only()
    assert (shown.model, shown.train, shown.teacher) == ("start", ("a.json",), ("me/large",))
    assert (shown.tune, shown.answerable_from) == ("b.json", "c.json")
    assert replace(recipe, model="L2-H128").named_only().model == "L2-H128"
