"""One side of the benchmark: transformers 4.57.6's question-answering pipeline. Prints JSON.

Started by run.py, with the interpreter of an environment made from requirements-hf4.txt.
Settings are the pipeline's own (windows of 384 tokens, overlap 128, no padding) but for four:
- `handle_impossible_answer=True`, as any SQuAD 2.0 model needs;
- `max_answer_len=30`, as pullquote and run_squad.py have it (its default is 15);
- `align_to_words=False`: pullquote quotes what the tokens cover, too. It spares the pipeline a
  little work and lets both sides' answers be compared letter by letter;
- float32 whatever type the weights are stored in. From a float16 file the default computes in
  float16, which took four times as long.
"""

import json

import numpy
import tokenizers
import torch
import transformers
from measure import arguments_and_questions, one_by_one, peak_mib, per_second
from transformers import pipeline

BATCH_SIZES = (1, 8, 32)  # the pipeline batches in the order given; the fastest of them counts

arguments, questions = arguments_and_questions()
torch.set_num_threads(arguments.threads)
pipe = pipeline(
    "question-answering",
    model=arguments.model,
    tokenizer=arguments.model,
    device=-1,
    dtype=torch.float32,
    handle_impossible_answer=True,
    max_answer_len=30,
    align_to_words=False,
)


def answer(question, context):
    """Return the text, as users call the pipeline for a single question."""
    return pipe(question=question, context=context)["answer"]


def answer_list(items, batch_size):
    """Return all results, as users call the pipeline for a list."""
    asked = [item["question"] for item in items]
    return pipe(question=asked, context=[item["context"] for item in items], batch_size=batch_size)


one_by_one(answer, questions["warm-up"])
median, p95, answers = one_by_one(answer, questions["shuffled"])
peak_one_by_one = peak_mib()

speeds = {"file order": {}, "shuffled": {}}
for order, speed in speeds.items():
    for size in BATCH_SIZES:
        answer_list(questions["warm-up"], size)
        speed[f"batch_size={size}"] = per_second(
            lambda order=order, size=size: answer_list(questions[order], size)
        )

modules = (transformers, torch, tokenizers, numpy)
result = {
    "versions": {module.__name__: module.__version__ for module in modules},
    "median_ms": median,
    "p95_ms": p95,
    "peak_one_by_one_mib": peak_one_by_one,
    "per_second": speeds,
    "peak_mib": peak_mib(),
    "answers": answers,
}
print(json.dumps(result))
