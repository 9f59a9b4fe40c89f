"""The answers of transformers 4.57.6's question-answering pipeline. Prints JSON.

Started by run.py, with the interpreter of an environment made from ../requirements-hf4.txt.
The settings are the pipeline's own but for `handle_impossible_answer=True`, as any SQuAD 2.0 model
needs, `max_answer_len=30`, as pullquote and run_squad.py have it (its default is 15), and float32
whatever type the weights are stored in.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import transformers
from transformers import pipeline

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", required=True)
parser.add_argument("--questions", type=Path, required=True)
parser.add_argument("--threads", type=int, required=True)
arguments = parser.parse_args()

if transformers.__version__ != "4.57.6":
    sys.exit(f"transformers {transformers.__version__}: expected 4.57.6, of requirements-hf4.txt")
torch.set_num_threads(arguments.threads)
pipe = pipeline(
    "question-answering",
    model=arguments.model,
    tokenizer=arguments.model,
    device=-1,
    dtype=torch.float32,
    handle_impossible_answer=True,
    max_answer_len=30,
)
said = {}
for item in json.loads(arguments.questions.read_text(encoding="utf-8")):
    said[item["id"]] = pipe(question=item["question"], context=item["context"])
print(json.dumps(said))
