"""Prediction files: valid forms, and the errors for malformed ones."""

import gzip

import pytest

from pullquote.errors import DataError
from pullquote.scoring.predictions import load_predictions, load_probabilities


def write(folder, content):
    path = folder / "file.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("mark", ["", "\ufeff"])  # a byte order mark, as Windows tools write it
def test_predictions_plain_or_gzipped(tmp_path, pack, mark):
    path = write(tmp_path, pack((mark + '{"1": "Café", "2": ""}').encode()))
    assert load_predictions(path) == {"1": "Café", "2": ""}


def test_probabilities_may_be_integers_or_null_odds(tmp_path):
    values = load_probabilities(write(tmp_path, '{"1": 0, "2": -3.5, "3": 1e-9}'))
    assert values == {"1": 0.0, "2": -3.5, "3": 1e-9}
    assert {type(value) for value in values.values()} == {float}


@pytest.mark.parametrize("load", [load_predictions, load_probabilities])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"1": ', "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["Rollo"]', "a list, expected an object"),
        ('"Rollo"', "a string, expected an object"),
        ("null", "null, expected an object"),
        ("7", "the number 7, expected an object"),
        ("{}", "an empty object"),
        ('{"1": "x", "2": "y", "2": "z"}', "the key '2' occurs twice"),
        ('{"1": "Caf\u00e9"}'.encode("latin-1"), "not UTF-8 text: byte 0xe9 at 10"),
        (gzip.compress(b'{"1": "x"}', mtime=0)[:-9], "broken gzip"),
        (gzip.compress(b'{"1": "x"}', mtime=0)[:12] + b"\xff" * 20, "broken gzip"),
    ],
)
def test_files_that_hold_no_object(tmp_path, load, content, message):
    with pytest.raises(DataError, match=message) as caught:
        load(write(tmp_path, content))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("value", "found"),
    [("null", "null"), ("3", "the number 3"), ("true", "a boolean"), ("[]", "a list")],
)
def test_predictions_that_are_not_text(tmp_path, value, found):
    with pytest.raises(DataError, match=f"prediction for 'b' is {found}, expected a string"):
        load_predictions(write(tmp_path, f'{{"a": "x", "b": {value}}}'))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"0.5"', "is a string, expected a number"),
        ("false", "is a boolean, expected a number"),
        ("NaN", "is nan, expected it finite"),
        ("-Infinity", "is -inf, expected it finite"),
        ("1" + "0" * 400, "is inf, expected it finite"),
    ],
)
def test_probabilities_that_are_not_finite_numbers(tmp_path, value, message):
    with pytest.raises(DataError, match=f"value for 'b' {message}"):
        load_probabilities(write(tmp_path, f'{{"a": 0.5, "b": {value}}}'))


def test_no_file_and_a_directory(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json: no such file"):
        load_predictions(tmp_path / "nowhere.json")
    with pytest.raises(DataError, match="directory"):
        load_predictions(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        load_predictions(write(tmp_path, "{}") / "below-a-file")
