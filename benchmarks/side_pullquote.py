"""One side of the benchmark: pullquote. Prints JSON.

Started by run.py. Every timed pass has a fresh `Reader`, warmed on other paragraphs, so that no
pass finds contexts that an earlier one tokenised.
"""

import json
from importlib.metadata import version

from measure import arguments_and_questions, one_by_one, peak_mib, per_second

from pullquote import Example, Reader

arguments, questions = arguments_and_questions()


def warm_reader():
    """Load the model and let it answer what is not measured."""
    reader = Reader(arguments.model, threads=arguments.threads)
    for item in questions["warm-up"]:
        reader.answer(item["question"], item["context"])
    list(reader.answer_all(Example(**item) for item in questions["warm-up"]))
    return reader


def answer_one_by_one():
    """Return median ms, p95 ms and the answers."""
    reader = warm_reader()
    return one_by_one(lambda q, context: reader.answer(q, context).text, questions["shuffled"])


def answer_list(order):
    """Return questions per second."""
    reader = warm_reader()
    examples = [Example(**item) for item in questions[order]]
    return {"answer_all": per_second(lambda: list(reader.answer_all(examples)))}


median, p95, answers = answer_one_by_one()
peak_one_by_one = peak_mib()
result = {
    "versions": {x: version(x) for x in ("pullquote", "onnxruntime", "tokenizers", "numpy")},
    "median_ms": median,
    "p95_ms": p95,
    "peak_one_by_one_mib": peak_one_by_one,
    "per_second": {order: answer_list(order) for order in ("file order", "shuffled")},
    "peak_mib": peak_mib(),
    "answers": answers,
}
print(json.dumps(result))
