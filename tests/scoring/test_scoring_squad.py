"""SQuAD metrics against hand-computed values, an oracle with fractions, and the official script.

PULLQUOTE_SHARED=/folder/with/data adds the published predictions for the whole of SQuAD 2.0 dev.
"""

import doctest
import gzip
import json
import os
import string
import warnings
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullquote.errors import DataError, InputError, PullquoteWarning
from pullquote.scoring import squad, thresholds
from pullquote.scoring.predictions import load_predictions, load_probabilities
from pullquote.scoring.squad import exact_match, f1_score, normalize_answer, score, score_questions
from pullquote.types import Example, Span

# name, gold answers, prediction, exact match, F1
INVENTED = [
    ("articles and capitals", ["The Norse"], "norse", 1, 1),
    ("dots", ["U.S."], "us", 1, 1),
    ("dots hide an article", ["a.m."], "am", 1, 1),
    ("a hyphen glues", ["well-known"], "well known", 0, 0),
    ("a dash beyond ASCII stays", ["10–12"], "1012", 0, 0),
    ("accents fold case only", ["Café Zürich"], "CAFÉ ZÜRICH!", 1, 1),
    ("capitals are lowered, not folded", ["Straße"], "STRASSE", 0, 0),
    ("spaces of all kinds", ["two words"], " two\u00a0\n words", 1, 1),
    ("articles inside words stay", ["Anthem of Athena"], "them of Athena", 0, Fraction(2, 3)),
    ("words count as often as they occur", ["Bora"], "Bora Bora", 0, Fraction(2, 3)),
    ("any gold answer will do", ["October 1973", "October"], "October", 1, 1),
    # against the first 2 of 3 and 2 of 2 words, against the second 3 of 3 and 3 of 5
    ("closest gold", ["red hut", "big red hut up hill"], "red hut up", 0, Fraction(4, 5)),
    ("answer of an article alone", ["The", "a"], "", 1, 1),
    ("that answer beside another does not count", ["The", "Rollo"], "", 0, 0),
    ("rightly empty", [], "", 1, 1),
    ("wrongly answered", [], "Rollo", 0, 0),
    ("as good as empty", [], "the", 1, 1),
]


def example(id, answers):
    return Example(id, "?", "", tuple(Span(text, 0, len(text)) for text in answers))


def read_squad(content):
    return [
        example(qa["id"], [answer["text"] for answer in qa["answers"]])
        for article in content["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]


def quietly(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PullquoteWarning)
        return score(*args, **kwargs)


@pytest.mark.parametrize(("name", "golds", "prediction", "exact", "f1"), INVENTED)
def test_one_question(name, golds, prediction, exact, f1):
    (result,) = score_questions([example("q", golds)], {"q": prediction})
    assert (result.exact, result.f1) == (exact, pytest.approx(float(f1)))
    assert result.has_answer == bool(golds)


def test_the_invented_questions_together():
    golds = [example(name, answers) for name, answers, *_ in INVENTED]
    scores = score(golds, {name: prediction for name, _, prediction, *_ in INVENTED})
    assert scores.as_dict() == pytest.approx(
        {
            "exact": 100 * 9 / 17,
            "f1": 100 * (137 / 15 + 2) / 17,  # 7 whole, 2/3 twice and 4/5; 2 rightly empty
            "total": 17,
            "HasAns_exact": 100 * 7 / 14,
            "HasAns_f1": 100 * (137 / 15) / 14,
            "HasAns_total": 14,
            "NoAns_exact": 100 * 2 / 3,
            "NoAns_f1": 100 * 2 / 3,
            "NoAns_total": 3,
        }
    )
    assert scores.avna == 100 * 13 / 17  # "answer of an article alone" and three more chose wrongly
    assert scores.empty == 3


def test_f1_and_exact_match_on_strings():
    assert normalize_answer("The  U.S. (an ally)") == "us ally"
    assert exact_match("Rollo!", "the rollo") == 1
    assert exact_match("Rollo", "Rolf") == 0
    assert f1_score("the big red dog", "red dog") == 0.8
    assert f1_score("Bora Bora rose", "Bora Bora") == 0.8  # 2/3 and 2/2: both are counted
    assert f1_score("the", "an") == 1.0  # neither has a word left
    assert f1_score("", "Rollo") == 0.0


def test_rounding_is_the_official_one():
    # 2 x 1 / (1 + 5) would be 0.3333333333333333
    assert f1_score("red", "red dog on big hill") == 0.33333333333333337
    # equal values are summed in the order of their file: 1/3 + 2/3 + 1, not 1 + 2/3 + 1/3
    answers = {"1": "red", "2": "red dog", "3": "red dog hill"}
    golds = [example("1", ["red"]), example("2", ["red"]), example("3", ["hill rat bog"])]
    scores = score(golds, answers, no_answer_probabilities=dict.fromkeys("321", 0.5))
    assert (scores.f1, scores.best_f1.score) == (100 * 1.9999999999999998 / 3, 100 * 2.0 / 3)


# --- the official script's numbers -----------------------------------------------------------

GOLDEN = json.loads((Path(__file__).parent / "golden/dev60.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("key", "probabilities", "threshold"),
    [("plain", False, 1.0), ("probabilities", True, 1.0), ("threshold 0.4", True, 0.4)],
)
def test_sixty_dev_questions_score_as_officially(key, probabilities, threshold):
    scores = quietly(
        read_squad(GOLDEN["squad"]),
        GOLDEN["predictions"],
        no_answer_probabilities=GOLDEN["no_answer_probabilities"] if probabilities else None,
        threshold=threshold,
    )
    assert repr(scores.as_dict()) == repr(GOLDEN["expected"][key])  # to the last digit, in order


@pytest.mark.skipif(not os.environ.get("PULLQUOTE_SHARED"), reason="needs PULLQUOTE_SHARED")
@pytest.mark.parametrize(
    ("key", "threshold"),
    [
        ("bert-single.json", None),
        ("nlnet.json", None),
        ("bert-single.json -n bert-single.na-prob.json", 1.0),
        ("bert-single.json -n bert-single.na-prob.json -t 0.6", 0.6),
    ],
)
def test_dev_scores_as_officially(key, threshold):
    folder = Path(os.environ["PULLQUOTE_SHARED"]) / "data" / "squad2"
    golds = read_squad(json.loads(gzip.decompress((folder / "dev-v2.0.json.gz").read_bytes())))
    folder /= "predictions"
    predictions = load_predictions(folder / f"{key.split()[0]}.gz")
    options = {}
    if threshold is not None:
        options["no_answer_probabilities"] = load_probabilities(folder / f"{key.split()[2]}.gz")
        options["threshold"] = threshold
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))[key]
    assert repr(quietly(golds, predictions, **options).as_dict()) == repr(expected)


# --- an oracle in fractions --------------------------------------------------------------------

PHRASES = st.lists(
    st.sampled_from(["red", "Red", "dog", "dog.", "the", "A", "–", "hill"]), max_size=4
).map(" ".join)
QUESTIONS = st.lists(
    st.tuples(st.lists(PHRASES, max_size=3), PHRASES, st.sampled_from([0.0, 0.25, 0.5, 0.75])),
    min_size=1,
    max_size=6,
)


def words(text):
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return [word for word in kept.split() if word not in ("a", "an", "the")]


def oracle_f1(prediction, gold):
    """F1 as 2 x common / (words of both), counting words off one by one."""
    left, common = list(gold), 0
    for word in prediction:
        if word in left:
            left.remove(word)
            common += 1
    both = len(prediction) + len(gold)
    return Fraction(2 * common, both) if both else Fraction(1)


def oracle(questions, threshold):
    """(has_answer, exact, f1) of every question, abstaining above the threshold."""
    for answers, prediction, probability in questions:
        golds = [words(a) for a in answers if words(a)] or [[]]
        if probability > threshold:
            yield bool(answers), int(not answers), int(not answers)
        else:
            found = words(prediction)
            yield bool(answers), int(found in golds), max(oracle_f1(found, g) for g in golds)


def mean(values):
    return pytest.approx(float(100 * Fraction(sum(values), len(values)))) if values else None


@given(QUESTIONS, st.sampled_from([-1.0, 0.0, 0.3, 0.5, 1.0]))
def test_scores_agree_with_the_oracle(questions, threshold):
    ids = [str(i) for i in range(len(questions))]
    scores = quietly(
        [example(id, answers) for id, (answers, _, _) in zip(ids, questions, strict=True)],
        {id: prediction for id, (_, prediction, _) in zip(ids, questions, strict=True)},
        no_answer_probabilities={id: p for id, (_, _, p) in zip(ids, questions, strict=True)},
        threshold=threshold,
    )
    expected = list(oracle(questions, threshold))
    assert scores.exact == mean([exact for _, exact, _ in expected])
    assert scores.f1 == mean([f1 for _, _, f1 in expected])
    for block, kind in ((scores.has_answer, True), (scores.no_answer, False)):
        assert (block and block.f1) == mean([f1 for has, _, f1 in expected if has is kind])
        assert (block.total if block else 0) == sum(has is kind for has, *_ in expected)


@given(QUESTIONS)
def test_the_best_threshold_reaches_its_score_and_no_other_is_better(questions):
    # a prediction that is not "" but normalises to it has two official values: see below
    questions = [(a, p if words(p) else "", value) for a, p, value in questions]
    ids = [str(i) for i in range(len(questions))]
    golds = [example(id, answers) for id, (answers, _, _) in zip(ids, questions, strict=True)]
    predictions = {id: p for id, (_, p, _) in zip(ids, questions, strict=True)}
    values = {id: value for id, (_, _, value) in zip(ids, questions, strict=True)}

    def at(threshold):
        return quietly(golds, predictions, no_answer_probabilities=values, threshold=threshold)

    best = at(1.0)
    assert best.best_f1.score == pytest.approx(at(best.best_f1.threshold).f1)
    assert best.best_exact.score == pytest.approx(at(best.best_exact.threshold).exact)
    everywhere = [at(threshold) for threshold in (-1.0, 0.0, 0.25, 0.5, 0.75)]
    assert best.best_f1.score == pytest.approx(max(scores.f1 for scores in everywhere))
    assert best.best_exact.score == pytest.approx(max(scores.exact for scores in everywhere))


# --- what the official script leaves out, and its traps ----------------------------------------

GOLDS = [example("rollo", ["Rollo"]), example("none", [])]


@pytest.mark.parametrize(
    ("golds", "share"),
    [
        ([], 0),
        (["Rollo"], 1),
        (["Duke Rollo of Norway"], 0),  # F1 2/5
        (["Rollo of Norway"], 0),  # F1 1/2 is not above it
        (["Duke Rollo", "Rollo"], 1),  # whichever was meant
        (["Rollo", "Rolf", "the hills", "Rollo"], 0.5),
    ],
)
def test_agreement_is_the_share_of_gold_answers_with_an_f1_above_one_half(golds, share):
    assert squad.agreement("Rollo", golds) == share
    (result,) = score_questions([example("q", golds)], {"q": "Rollo"})
    assert result.agreement == share
    assert result.right == (share > 0)


def test_decided_answers_some_and_abstains_from_the_others():
    questions = score_questions(GOLDS, {"rollo": "Rollo", "none": "Rollo"})
    answered, abstained = squad.decided(questions, [True, False])
    assert (answered.exact, answered.answered) == (1, True)
    assert (abstained.exact, abstained.answered) == (1, False)
    answered, abstained = squad.decided(questions[::-1], [True, False])
    assert (answered.exact, abstained.exact) == (0, 0)


def test_blocks_without_questions_are_absent():
    assert list(score(GOLDS[:1], {"rollo": "x"}).as_dict()) == [
        *["exact", "f1", "total", "HasAns_exact", "HasAns_f1", "HasAns_total"]
    ]
    assert score(GOLDS[1:], {"none": "x"}).has_answer is None


def test_a_value_at_the_threshold_is_answered_and_one_above_is_not():
    values = {"rollo": 0.5, "none": 0.6}
    predictions = {"rollo": "Rollo", "none": "Rollo"}
    at = {
        threshold: score(GOLDS, predictions, no_answer_probabilities=values, threshold=threshold)
        for threshold in (0.4, 0.5, 0.6)
    }
    assert [scores.exact for scores in at.values()] == [50.0, 100.0, 50.0]
    assert [scores.avna for scores in at.values()] == [50.0, 100.0, 50.0]
    assert {(s.best_f1.score, s.best_f1.threshold) for s in at.values()} == {(100.0, 0.5)}


def test_equal_values_cannot_be_told_apart():
    # the official search answers "rollo" and abstains from "none" at the same value: 100.0
    scores = score(
        GOLDS,
        {"rollo": "Rollo", "none": "Rollo"},
        no_answer_probabilities={"rollo": 0.5, "none": 0.5},
    )
    assert (scores.best_exact.score, scores.best_exact.threshold) == (50.0, 0.0)


def test_a_prediction_that_normalises_to_nothing_costs_a_point_in_the_official_search():
    scores = score(GOLDS, {"none": "the"}, no_answer_probabilities={"none": 0.2})
    assert (scores.exact, scores.best_exact.score) == (100.0, 100.0)  # abstaining reaches it
    scores = score(
        GOLDS,
        {"none": "the", "rollo": "Rollo"},
        no_answer_probabilities={"none": 0.2, "rollo": 0.3},
    )
    assert (scores.exact, scores.best_exact.score) == (100.0, 50.0)


def test_missing_and_unknown_predictions_are_listed():
    scores = score(GOLDS, {"rollo": "Rollo", "stranger": "x"})
    assert (scores.missing, scores.unknown) == (("none",), ("stranger",))
    assert (scores.exact, scores.total, scores.no_answer) == (100.0, 1, None)


def test_values_for_other_questions_change_nothing():
    values = {"stranger": 0.0, "rollo": 0.2, "none": 0.1}
    scores = score(GOLDS, {"rollo": "Rollo"}, no_answer_probabilities=values)
    assert (scores.best_f1.score, scores.best_f1.threshold) == (100.0, 0.2)


def test_null_odds_taken_for_probabilities_warn_once_no_threshold_is_given():
    odds = {"rollo": -3.0, "none": 2.5}
    predictions = {"rollo": "Rollo", "none": "Rollo"}
    with pytest.warns(PullquoteWarning, match=r"2 no-answer values lie outside \[0, 1\].*-3\.0"):
        scores = score(GOLDS, predictions, no_answer_probabilities=odds)
    assert scores.exact == 100.0  # thresholded at 1.0, as officially
    score(GOLDS, predictions, no_answer_probabilities=odds, threshold=0.0)  # no warning


def test_empty_predictions_under_a_best_threshold_warn():
    values = {"rollo": 0.1, "none": 0.9}
    with pytest.warns(PullquoteWarning, match="1 of 2 predictions are already empty"):
        score(GOLDS, {"rollo": "Rollo", "none": ""}, no_answer_probabilities=values)
    score(GOLDS, {"rollo": "Rollo", "none": ""})  # no best threshold, no warning


@pytest.mark.parametrize(
    ("golds", "predictions", "options", "message"),
    [
        (GOLDS, {"x": ""}, {}, "none of the 2 questions is among the 1 predictions"),
        ([], {"x": ""}, {}, "none of the 0 questions"),
        (GOLDS + GOLDS[:1], {"none": "x"}, {}, "two questions have the id 'rollo'"),
        (GOLDS, {"rollo": "x"}, {"no_answer_probabilities": {"none": 0.5}}, "1 of 1.*'rollo'"),
        (GOLDS, {"rollo": "x"}, {"no_answer_probabilities": {}}, "1 of 1.*'rollo'"),
    ],
)
def test_data_that_cannot_be_scored(golds, predictions, options, message):
    with pytest.raises(DataError, match=message):
        score(golds, predictions, **options)


def test_a_threshold_needs_values_and_must_be_a_number():
    with pytest.raises(InputError, match=r"0\.5 has no no-answer probabilities"):
        score(GOLDS, {"rollo": "x"}, threshold=0.5)
    with pytest.raises(InputError, match="NaN"):
        score(GOLDS, {"rollo": "x"}, no_answer_probabilities={"rollo": 0.5}, threshold=float("nan"))


@pytest.mark.parametrize("module", [squad, thresholds])
def test_the_examples_in_the_docstrings_hold(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
