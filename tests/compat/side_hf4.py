"""Runs cases through the pipeline of transformers 4.57.6 and writes the results as JSON.

Runs in the environment of benchmarks/requirements-hf4.txt:

    .hf4/bin/python tests/compat/side_hf4.py --model CHECKPOINT --cases cases.json --out said.json

Each entry is `{"result": ...}` or `{"error": name}`; `--logits` adds the logits of every
window, so that tests with a golden file need no model.
"""

import argparse
import json
from pathlib import Path

import torch
from cases import invoke
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, SquadExample, pipeline

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", required=True)
parser.add_argument("--cases", type=Path, required=True)
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--logits", action="store_true")
arguments = parser.parse_args()

torch.set_num_threads(2)
tokenizer = AutoTokenizer.from_pretrained(arguments.model)
model = AutoModelForQuestionAnswering.from_pretrained(arguments.model, dtype=torch.float32)
pipe = pipeline("question-answering", model=model, tokenizer=tokenizer, device=-1)

seen: dict[str, list[list[float]]] = {}


def remember(module, args, inputs, output):
    """Keep the logits of each window under its token ids."""
    for row, mask in enumerate(inputs["attention_mask"].bool()):
        ids = inputs["input_ids"][row][mask].tolist()
        seen[" ".join(map(str, ids))] = [
            [round(x, 5) for x in logits[row][mask].tolist()]
            for logits in (output.start_logits, output.end_logits)
        ]


if arguments.logits:
    model.register_forward_hook(remember, with_kwargs=True)

said = []
for case in json.loads(arguments.cases.read_text(encoding="utf-8")):
    try:
        said.append({"result": invoke(pipe, case, SquadExample)})
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        said.append({"error": type(error).__name__})
arguments.out.write_text(json.dumps({"said": said, "logits": seen}), encoding="utf-8")
