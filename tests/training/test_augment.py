"""Made questions: what each kind promises holds for every example it makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lessons import LENGTHS
from pullquote import Reader
from pullquote.errors import ConfigError
from pullquote.settings import ReaderConfig
from pullquote.training.augment import augmented
from pullquote.training.teacher import teacher_answers
from pullquote.types import Example, Span

CONTEXTS = [
    "In 911, Rollo signed the Treaty of Saint Clair. After 20 years, Rollo ruled 3 towns.",
    "The Tower of London was built in 1078. Later the White Tower held 40 prisoners.",
    "Nobody, says the chronicle, saw William Longsword in 942 near Picquigny.",
]


def example(number: int, question: str, answer: str = "") -> Example:
    context = CONTEXTS[number % 3]
    start = context.find(answer)
    answers = (Span(answer, start, start + len(answer)),) if answer else ()
    return Example(str(number), question, context, answers, "Normans")


EXAMPLES = [
    example(0, "What did Rollo sign in 911?", "Treaty of Saint Clair"),
    example(1, "When was the Tower of London built?", "1078"),
    example(2, "Whom did nobody see in 942?", "William Longsword"),
    example(3, "Who was king of France in 911?"),
]


def test_a_moved_question_stands_on_a_paragraph_without_its_answer() -> None:
    made = augmented(EXAMPLES, ["moved"], 3.0, 0)
    assert len(made) >= 4
    origins = {e.id: e for e in EXAMPLES}
    for new in made:
        old = origins[new.id.partition("-")[0]]
        assert new.is_impossible
        assert new.question == old.question
        assert new.context in CONTEXTS
        assert old.answers[0].text not in new.context
    assert len({new.id for new in made}) == len(made)


def test_a_swapped_question_names_another_thing_of_the_same_kind() -> None:
    made = augmented(EXAMPLES, ["swapped"], 2.0, 0)
    assert made
    for new in made:
        (old,) = [e for e in EXAMPLES if e.id == new.id.partition("-")[0]]
        assert new.is_impossible
        assert new.context == old.context
        assert new.question != old.question
    assert {new.question for new in made if new.id.startswith("2-")} == {
        "Whom did nobody see in 911?"  # not in 20, which counts other things
    }


def test_a_question_from_elsewhere_stands_on_a_paragraph_of_another_article() -> None:
    titled = [replace(e, title=f"Article {number // 2}") for number, e in enumerate(EXAMPLES)]
    home = {e.question: e for e in titled}
    made = augmented(titled, ["elsewhere"], 9.0, 0)
    assert len(made) >= 3
    for new in made:
        old = home[new.question]
        texts = {e.context for e in titled if e.title == old.title}
        assert new.is_impossible
        assert new.context in CONTEXTS
        assert new.context not in texts
    # an only article has no other
    assert augmented(EXAMPLES, ["elsewhere"], 2.0, 0) == []
    # and what another article answers is no question without an answer
    other = Example("9", "Who was tall?", "Tall was Rollo.", (Span("Rollo", 9, 14),), "Tall men")
    asked = replace(example(0, "Who ruled 3 towns?", "Rollo"), title="Towns")
    assert augmented([asked, other], ["elsewhere"], 9.0, 0) == []


def test_an_opposed_question_says_the_opposite_in_one_word() -> None:
    context = "Rollo won the first war. The last war was short, and long is the list."
    asked = {
        "Who won the war?": {"Who lost the war?"},
        "What did Rollo find before 911?": {"What did Rollo find after 911?"},
        # which the text speaks of itself
        "What was the first war?": set(),
        "Who is Rollo?": set(),
        # one word at a time
        "What was the highest northern tower?": {
            "What was the lowest northern tower?",
            "What was the highest southern tower?",
        },
    }
    answer = (Span("Rollo", 0, 5),)
    examples = [Example(q, q, context, answer, "Normans") for q in asked]
    made = augmented(examples, ["opposed"], 20.0, 0)
    assert all(new.is_impossible and new.context == context for new in made)
    told = {q: {n.question for n in made if n.id.startswith(q)} for q in asked}
    assert told == asked
    impossible = [replace(e, answers=()) for e in examples]
    assert augmented(impossible, ["opposed"], 20.0, 0) == []


def test_a_shuffled_paragraph_has_the_same_sentences_and_answers() -> None:
    context = "Rollo came in 911.  He stayed, says Dudo. Rollo died in 933! Who knows where"
    start = context.index("Rollo died")
    asked = [
        Example("a", "Who died?", context, (Span("Rollo", start, start + 5),), "Normans"),
        Example("b", "Who was Dudo?", context, (), "Normans"),
        Example("c", "Who came?", "Rollo came.", (Span("Rollo", 0, 5),), "Normans"),
        # of an answer over two sentences nothing is left
        Example("d", "What?", "It is he. He came.", (Span("he. He", 6, 12),), "Normans"),
    ]
    made = augmented(asked, ["shuffled"], 100.0, 0)
    assert {new.id[0] for new in made} == {"a", "b"}
    sentences = ["Rollo came in 911.", "He stayed, says Dudo.", "Rollo died in 933!"]
    for new in made:
        assert new.context != " ".join(context.split())
        assert len(new.context) == len(context) - 1  # one blank between sentences
        assert all(sentence in new.context for sentence in [*sentences, "Who knows where"])
        for answer in new.answers:
            assert new.context[answer.start :].startswith("Rollo died")
            assert new.context[answer.start : answer.end] == answer.text
        assert new.is_impossible == (new.id[0] == "b")


def test_a_cloze_asks_for_what_it_left_out() -> None:
    made = augmented(EXAMPLES, ["cloze"], 3.0, 0)
    assert len(made) >= 6
    for new in made:
        (answer,) = new.answers
        assert new.context[answer.start : answer.end] == answer.text
        before, _, after = new.question.partition(
            next(w for w in ("what year", "how many", "what") if w in new.question)
        )
        assert before + answer.text in new.context
        assert after.rstrip("?") in new.context


def test_the_teacher_says_what_a_moved_question_has_for_an_answer(
    model_dir: Path, tmp_path: Path
) -> None:
    reader = Reader(
        model_dir, config=ReaderConfig(**{**LENGTHS, "max_question_length": 20, "max_length": 48})
    )
    made = augmented(
        EXAMPLES, ["teacher"], 2.0, 0, lambda asked: teacher_answers(reader, asked, tmp_path)
    )
    assert len(made) >= 4
    for new in made:
        said = reader.answer(new.question, new.context)
        assert [span.text for span in new.answers] == ([said.text] if said.answer else [])
    with pytest.raises(ConfigError, match="augment names teacher, which needs one"):
        augmented(EXAMPLES, ["teacher"], 1.0, 0)


def test_the_same_seed_makes_the_same_questions() -> None:
    kinds = ["moved", "elsewhere", "swapped", "opposed", "shuffled", "cloze"]
    assert augmented(EXAMPLES, kinds, 2.0, 0) == augmented(EXAMPLES, kinds, 2.0, 0)
    assert augmented(EXAMPLES, kinds, 2.0, 0) != augmented(EXAMPLES, kinds, 2.0, 1)


def test_there_are_as_many_as_the_share_says() -> None:
    assert len(augmented(EXAMPLES * 10, ["cloze"], 0.1, 0)) == 4
    assert augmented(EXAMPLES, [], 1.0, 0) == []


def test_no_question_is_made_twice_and_kinds_do_not_depend_on_each_other() -> None:
    made = augmented(EXAMPLES, ["moved"], 9.0, 0)
    assert len({(new.question, new.context) for new in made}) == len(made) == 6
    both = augmented(EXAMPLES, ["cloze", "swapped"], 1.0, 0)
    assert both[-1:] == augmented(EXAMPLES, ["swapped"], 1.0, 0)[-1:]


def test_texts_without_titles_are_articles_of_their_own() -> None:
    untitled = [replace(example, title="") for example in EXAMPLES]
    assert augmented(untitled, ["moved"], 1.0, 0) == []
    assert augmented(untitled, ["cloze"], 1.0, 0)
