"""Test cases: calls of the pipeline, run with transformers 4.57.6 and with pullquote.

Uses the standard library only, since it runs in both environments. A case is plain JSON:
`{"form": how it is passed, "question", "context", "options"}`; `invoke` makes the call.
"""

from __future__ import annotations

import random
import warnings
from typing import Any

LIGHTHOUSE = (
    "The Eddystone rocks lie fourteen miles south of Plymouth. The first lighthouse on them was "
    "built by Henry Winstanley, a painter and engraver who had lost two ships there. Its sixty "
    "candles were lit on 14 November 1698. The Great Storm of November 1703 swept the tower away, "
    "and Winstanley with it. A silk merchant, John Rudyerd, built the second of oak and iron; it "
    "stood for forty-six years and burnt down in December 1755. The third was the work of John "
    "Smeaton, a Yorkshire engineer, who took the oak tree for his model: broad at the root, and "
    "slender above. He dovetailed blocks of granite and found a lime that sets under water."
)
# context, questions
TEXTS: list[tuple[str, list[str]]] = [
    (
        "Manuel Romero has been working hardly in the repository hugginface/transformers lately",
        [
            "Who has been working hard for hugginface/transformers lately?",
            "For which company has worked Manuel Romero?",
        ],
    ),
    (
        "The Norse, led by Rollo, came by sea. They settled in Normandy.",
        ["Who led the Norse?", "Where did they settle?", "Who wrote the history of the Normans?"],
    ),
    (LIGHTHOUSE, ["Who built the first lighthouse?", "When was it lit?", "Who was John Smeaton?"]),
    (LIGHTHOUSE[:160], ["How far is Plymouth?", "What had he lost?"]),
    ("Rollo came. ROLLO saw. rollo won, and Rollo's men with Rollo.", ["Who won?", "Who came?"]),
    ("Paris is Paris is Paris, said the Parisian in Paris.", ["What is Paris?", "Where?"]),
    ("The tower is 324 metres (1,063 ft) tall; it cost 7.8m francs!", ["How tall?", "What price?"]),
    ("東京は日本の首都です。人口は約1400万人です。", ["日本の首都は?", "人口は?"]),
    ("北京是中华人民共和国的首都，人口两千一百万。", ["首都是哪里？", "What is the capital?"]),
    ("Die Straße führt nach Zürich; dort wohnt Frau Müller-Lüdenscheidt.", ["Wohin führt sie?"]),
    ("Le café naïf d'Élodie ouvre à 8 h, l'été.", ["Quand ouvre le café?", "À qui est-il?"]),
    ("She sent 👍🏽 and 🇫🇷 to her sister 👩‍🚀 on Monday 🎉.", ["What did she send?", "When?"]),
    ("عاصمة فرنسا هي باريس، وعدد سكانها مليونان.", ["ما هي عاصمة فرنسا؟"]),
    ("בירת צרפת היא פריז ומספר תושביה שני מיליון.", ["מהי בירת צרפת?"]),
    (
        "  The\tkeeper \r\n lived  in\u00a0the tower.\r\n\r\nHe   left in 1882.  ",
        ["Who lived there?"],
    ),
    ("cafe\u0301 noir et the\u0301 vert", ["What is green?"]),
    ("a", ["What?", "Who is it that is meant here?"]),
    ("Yes. No!", ["Which?"]),
    ("word " * 30 + "needle " + "word " * 30, ["Where is the needle?"]),
    ("state-of-the-art, e-mail@example.org, http://a.b/c?d=e&f#g, C++ and C#", ["What address?"]),
]
QUESTION, CONTEXT = TEXTS[1][1][0], TEXTS[1][0]
OTHER = TEXTS[3][0]

FORMS = (
    *("keywords", "positional", "dict", "dict in a list", "example", "data", "X"),
    *("dicts", "several dicts", "examples", "broadcast", "zipped", "generator"),
)


def invoke(pipe: Any, case: dict[str, Any], squad_example: Any) -> Any:
    """Make the call of a case and return its result as JSON would have it."""
    form, question, context = case["form"], case["question"], case["context"]
    options = case["options"]
    item = {"question": question, "context": context}
    other = {"question": QUESTION, "context": CONTEXT}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "keywords":
            result = pipe(question=question, context=context, **options)
        elif form == "positional":
            result = pipe(question, context, **options)
        elif form == "dict":
            result = pipe(item, **options)
        elif form == "dict in a list":
            result = pipe([item], **options)
        elif form == "data":
            result = pipe(data=item, **options)
        elif form == "X":
            result = pipe(X=[item, other], **options)
        elif form == "dicts":
            result = pipe([item, other], **options)
        elif form == "several dicts":
            result = pipe(item, other, **options)
        elif form == "broadcast":
            result = pipe(question=[question, QUESTION], context=context, **options)
        elif form == "zipped":
            result = pipe(question=[question, QUESTION], context=[context, CONTEXT], **options)
        elif form == "example":
            result = pipe(squad_example(None, question, context, None, None, None), **options)
        elif form == "examples":
            both = [(question, context), (QUESTION, CONTEXT)]
            items = [squad_example(None, q, c, None, None, None) for q, c in both]
            result = pipe(items, **options)
        elif form == "generator":
            result = list(pipe(({**x} for x in (item, other)), **options))
        elif form == "dict of lists":
            both = {"question": [question, QUESTION], "context": [context, CONTEXT]}
            result = pipe(both, **options)
        elif form == "iterator":
            result = pipe(iter([item, other]), **options)
        elif form == "generator, extra key":
            result = list(pipe(({**x, "id": "7"} for x in (item, other)), **options))
        elif form == "extra key":
            result = pipe({**item, "id": "7"}, **options)
        elif form == "missing key":
            result = pipe({"question": question}, **options)
        elif form == "one text":
            result = pipe(question, **options)
        elif form == "nothing":
            result = pipe(**options)
        elif form == "empty list":
            result = pipe([], **options)
        elif form == "no questions":
            result = pipe(question=[], context=context, **options)
        elif form == "unequal":
            result = pipe(question=[question], context=[context, context], **options)
        else:
            raise AssertionError(form)
    return result


def case(form: str, question: Any, context: Any, **options: Any) -> dict[str, Any]:
    """The JSON form of a case."""
    return {"form": form, "question": question, "context": context, "options": options}


def fixed() -> list[dict[str, Any]]:
    """The cases that are always run: every form, every text, every error."""
    cases = [case(form, *reversed((OTHER, "How far is Plymouth?"))) for form in FORMS]
    cases += [case(form, QUESTION, CONTEXT, top_k=3) for form in FORMS]
    for context, questions in TEXTS:
        for question in questions:
            cases.append(case("keywords", question, context))
            cases.append(case("keywords", question, context, handle_impossible_answer=True))
            cases.append(case("keywords", question, context, top_k=5, align_to_words=False))
    cases += [case("keywords", QUESTION, CONTEXT, top_k=k) for k in (2, 4, 7, 12, 20, 30)]
    cases += [case("keywords", QUESTION, CONTEXT, topk=3)]
    cases += [case("keywords", QUESTION, LIGHTHOUSE, max_answer_len=n) for n in (1, 2, 5, 40)]
    cases += [
        case("keywords", q, LIGHTHOUSE, max_seq_len=length, doc_stride=stride, **more)
        for q in TEXTS[2][1]
        for length, stride in ((64, 16), (64, 32), (80, 0), (100, 50), (384, 128))
        for more in ({}, {"top_k": 4}, {"handle_impossible_answer": True})
    ]
    cases += [case("keywords", QUESTION, CONTEXT, padding="max_length")]
    # longer than 64 tokens; the default cuts them, 4.57.6 does not
    cases += [case("keywords", ("who led the Norse " * n).strip(), CONTEXT) for n in (20, 45, 70)]
    cases += [
        case("keywords", " ".join([QUESTION] * 9), "Rollo led.", max_seq_len=60, doc_stride=4),
        case("keywords", QUESTION, CONTEXT, max_seq_len=600),
        case("keywords", QUESTION, CONTEXT, max_seq_len=40),
        case("dict of lists", QUESTION, CONTEXT),
        case("iterator", QUESTION, CONTEXT),
        case("generator, extra key", QUESTION, CONTEXT),
    ]
    cases += [
        case("missing key", QUESTION, CONTEXT),
        case("one text", QUESTION, CONTEXT),
        case("nothing", QUESTION, CONTEXT),
        case("empty list", QUESTION, CONTEXT),
        case("no questions", QUESTION, CONTEXT),
        case("unequal", QUESTION, CONTEXT),
        case("dict", None, CONTEXT),
        case("dict", QUESTION, None),
        case("dict", "", CONTEXT),
        case("keywords", QUESTION, ""),
        case("keywords", 7, CONTEXT),
        case("keywords", QUESTION, 7),
        case("keywords", QUESTION, CONTEXT, top_k=0),
        case("keywords", QUESTION, CONTEXT, max_answer_len=0),
        case("keywords", QUESTION, CONTEXT, max_seq_len=50, doc_stride=51),
        case("extra key", QUESTION, CONTEXT),
        case("keywords", QUESTION, [CONTEXT, OTHER]),
        case("keywords", "why " * 400, CONTEXT),
    ]
    return cases


def drawn(seed: int, count: int) -> list[dict[str, Any]]:
    """Random cases: texts, parts of texts and mixtures, with random options."""
    generator = random.Random(seed)
    pieces = [piece for context, _ in TEXTS for piece in context.split(" ")]
    cases = []
    while len(cases) < count:
        context, questions = generator.choice(TEXTS)
        if generator.random() < 0.3:
            context = " ".join(generator.choices(pieces, k=generator.randint(1, 60)))
        elif generator.random() < 0.3:
            start = generator.randrange(len(context))
            context = context[start : start + generator.randint(1, 200)]
        question = generator.choice(questions)
        options: dict[str, Any] = {}
        if generator.random() < 0.6:
            options["top_k"] = generator.choice([1, 2, 3, 5, 8, 13, 30])
        if generator.random() < 0.4:
            options["max_answer_len"] = generator.choice([1, 2, 3, 8, 30, 100])
        if generator.random() < 0.4:
            options["handle_impossible_answer"] = True
        if generator.random() < 0.4:
            options["align_to_words"] = False
        if generator.random() < 0.3:
            options["max_seq_len"] = generator.choice([48, 64, 100, 200])
            options["doc_stride"] = generator.choice([0, 4, 8, 16])
        if context.strip():
            form = generator.choice(FORMS) if generator.random() < 0.3 else "keywords"
            cases.append(case(form, question, context, **options))
    return cases
