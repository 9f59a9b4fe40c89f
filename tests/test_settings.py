"""Settings: which are refused, how they decide, and files of earlier versions."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote import ReaderConfig
from pullquote.errors import ConfigError, InputError
from pullquote.scoring.calibration import Readings, probabilities_of
from pullquote.settings import READER_FORMAT, Calibration, Decision, LogOdds

FITTED = Calibration(
    none=LogOdds(bias=-0.5, below=0.3, above=0.4, share=0.1, windows=-0.2),
    elsewhere=LogOdds(bias=0.5, below=0.1, share=0.9, windows=0.2),
    found=0.6,
    temperature=2.5,
    fitted_on="tune.json: 900 questions",
)


def read(**values: object) -> ReaderConfig:
    return ReaderConfig.from_json(values, "reader.json")


# ---- the decision


def test_no_answer_must_be_likelier_than_the_best_quote() -> None:
    decision = Decision(0.7)
    assert decision.abstains(score=0.3, no_answer_score=0.31, null_score_diff=-99)
    assert not decision.abstains(score=0.3, no_answer_score=0.3, null_score_diff=99)


def test_a_threshold_decides_by_null_score_diff_alone() -> None:
    decision = Decision(0.7, threshold=1.5)
    assert not decision.abstains(score=0.0, no_answer_score=1.0, null_score_diff=1.5)
    assert decision.abstains(score=1.0, no_answer_score=0.0, null_score_diff=1.6)


def test_a_given_option_replaces_what_is_stored() -> None:
    by_threshold = ReaderConfig(no_answer_threshold=2.0)
    assert by_threshold.decision() == Decision(0.5, threshold=2.0)
    assert by_threshold.decision(threshold=3.0) == Decision(0.5, threshold=3.0)
    assert by_threshold.decision(answerable=0.8) == Decision(0.8)
    by_share = ReaderConfig(no_answer_threshold=2.0, answerable=0.75)
    assert by_share.decision() == Decision(0.75)
    assert by_share.decision(answerable=1) == Decision(1)
    # scores are still for the share that is stored
    assert by_share.decision(threshold=-math.inf) == Decision(0.75, threshold=-math.inf)


def test_a_threshold_and_a_share_together_are_refused() -> None:
    with pytest.raises(InputError, match=r"threshold=0\.0 and answerable=0\.5 are two ways"):
        ReaderConfig().decision(threshold=0.0, answerable=0.5)


@pytest.mark.parametrize("share", [0, 0.0, -0.1, 1.01, math.nan, math.inf, True, "0.5", [0.5]])
def test_a_share_is_above_0_and_at_most_1(share: Any) -> None:
    with pytest.raises(InputError, match=r"answerable is .*above 0 and at most 1"):
        ReaderConfig().decision(answerable=share)
    with pytest.raises(ConfigError, match=r"answerable is .*expected"):
        ReaderConfig(answerable=share)


@pytest.mark.parametrize("threshold", [math.nan, "0", True])
def test_a_threshold_is_a_number(threshold: Any) -> None:
    with pytest.raises(InputError, match=r"threshold is .*expected a number"):
        ReaderConfig().decision(threshold=threshold)


# ---- what is refused


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ({"nome": {}}, "calibration: unknown setting nome. Known: elsewhere, fitted_on, found"),
        ({"none": {"bais": 1}}, "calibration: none: unknown setting bais. Known: above, below"),
        ({"none": 0.5}, "calibration: none is 0.5, expected an object"),
        ({"none": {"bias": "1"}}, "calibration: bias is '1', expected a number"),
        ({"none": {"bias": math.nan}}, "calibration: bias is nan, expected a finite number"),
        ({"elsewhere": {"share": -0.1}}, "the slope share is -0.1, expected at least 0"),
        ({"elsewhere": {"below": -1}}, "the slope below is -1, expected at least 0"),
        ({"found": 1.1}, "calibration: found is 1.1, expected 0 to 1"),
        ({"found": True}, "calibration: found is True, expected a number"),
        ({"temperature": 0}, "calibration: temperature is 0, expected above 0"),
        ({"fitted_on": 3}, "calibration: fitted_on is 3, expected a string"),
        ([], r"calibration is \[\], expected an object"),
    ],
)
def test_a_calibration_that_cannot_be(calibration: object, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^reader\.json: .*{message}"):
        read(calibration=calibration)


def test_spelling_is_true_or_false() -> None:
    assert not read(spelling=False).spelling
    with pytest.raises(ConfigError, match="spelling is 0, expected true or false"):
        read(spelling=0)


# ---- files


NUMBERS = st.floats(-1e3, 1e3)
SLOPES = st.floats(0, 1e3)
LINES = st.builds(LogOdds, NUMBERS, below=SLOPES, above=SLOPES, share=SLOPES, windows=NUMBERS)


@given(
    config=st.builds(
        ReaderConfig,
        answerable=st.none() | st.floats(0, 1, exclude_min=True),
        spelling=st.booleans(),
        calibration=st.builds(
            Calibration, none=LINES, elsewhere=LINES, found=st.floats(0, 1), fitted_on=st.text()
        ),
    )
)
def test_settings_are_read_as_they_were_written(config: ReaderConfig) -> None:
    written = json.loads(json.dumps(config.to_json()))
    assert written["format"] == READER_FORMAT == 2
    assert ReaderConfig.from_json(written, "reader.json") == config


# ---- calibrations of pullquote 0.1 and 0.2


OLD: dict[str, float] = {
    **{"below": 0.28, "above": 0.3, "spread": -0.68, "bias": 0.64, "windows": 0.27},
    **{"temperature": 0.76, "windows_temperature": 0.03},
}


def scores_of_0_2(old: dict[str, float], readings: Readings) -> tuple[np.ndarray, np.ndarray]:
    """No answer, and the best quote is right, by the formula of 0.1 and 0.2; (N,) each."""
    d, logits = readings.null_score_diff, readings.logits - readings.logits[:, :1]
    odds = old["above"] * np.logaddexp(0, d) - old["below"] * np.logaddexp(0, -d) + old["bias"]
    odds += old["spread"] * np.log(np.exp(logits).sum(axis=1))
    odds += old["windows"] * np.log(readings.windows)
    none = 1 / (1 + np.exp(-odds))
    temperature = old["temperature"] * readings.windows ** old["windows_temperature"]
    return none, (1 - none) / np.exp(logits / temperature[:, None]).sum(axis=1)


def some_readings(windows: int, count: int = 2000) -> Readings:
    """Readings whose 20 quotes have all of the probability."""
    random = np.random.default_rng(windows)
    logits = -np.cumsum(random.exponential(2.0, (count, 20)), axis=1)
    share = np.exp(logits[:, 0]) / np.exp(logits).sum(axis=1)
    d = random.normal(-1, 5, count)
    return Readings(d, share, logits, np.full(count, windows))


@pytest.mark.parametrize("windows", [1, 9])
def test_a_calibration_of_0_2_gives_nearly_the_scores_that_it_gave(windows: int) -> None:
    readings = some_readings(windows)
    none, quote = scores_of_0_2(OLD, readings)
    config = read(format=1, calibration={**OLD, "fitted_on": "tune"})
    assert config.calibration.fitted_on == "tune"
    found = probabilities_of(config.calibration, readings)
    for new, old in ((found.none, none), (found.quotes[:, 0], quote)):
        assert np.abs(new - old).mean() < 0.04
        assert np.abs(new - old).max() < 0.15
    # that is close: without a calibration they are far away
    assert np.abs(probabilities_of(Calibration(), readings).none - none).mean() > 0.15


@given(
    old=st.fixed_dictionaries(
        {
            **{"below": st.floats(0, 2), "above": st.floats(0, 2), "spread": st.floats(-1, 1)},
            **{"bias": st.floats(-2, 2), "windows": st.floats(-1, 1)},
            **{"temperature": st.just(1.0), "windows_temperature": st.just(0.0)},
        }
    )
)
def test_without_a_temperature_the_scores_are_the_same(old: dict[str, float]) -> None:
    readings = some_readings(windows=5, count=50)
    found = probabilities_of(Calibration.from_json(old), readings)
    none, quote = scores_of_0_2(old, readings)
    assert found.none == pytest.approx(none)
    assert found.quotes[:, 0] == pytest.approx(quote)


def test_an_early_calibration_has_defaults_too() -> None:
    assert Calibration.from_json({"bias": 0.0}) == Calibration()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bais": 1}, "unknown setting bais. Known: above, below, bias, fitted_on, spread"),
        ({"below": "1"}, "below is '1', expected a number"),
        ({"bias": math.inf}, "bias is inf, expected a finite number"),
        ({"temperature": 0}, "temperature is 0, expected above 0"),
        ({"below": -1}, "the slope below is -1, expected at least 0"),
        ({"fitted_on": 3}, "fitted_on is 3, expected a string"),
    ],
)
def test_an_early_calibration_that_cannot_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"reader.json: calibration: {message}"):
        read(calibration={**OLD, **changes})


def test_a_calibration_of_today_is_not_taken_for_an_early_one() -> None:
    assert Calibration.from_json(asdict(FITTED)) == FITTED
    assert Calibration.from_json({}) == Calibration()
    assert Calibration.from_json({"temperature": 2.0}) == Calibration(temperature=2.0)
