"""Make a BERT of any shape for questions with random weights, for speed tests.

Speed does not depend on what weights hold, so nothing is trained. Both sides load the file that
this writes. Run with pullquote's environment (extra `torch`):

    python benchmarks/make_random.py MODEL_DIR_WITH_A_TOKENIZER OUT_DIR --layers 2 --width 128
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from transformers import BertConfig, BertForQuestionAnswering

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("tokenizer", type=Path, help="model directory whose tokenizer files are copied")
parser.add_argument("out", type=Path, help="directory to write")
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--width", type=int, default=128, help="of hidden states, 64 for each head")
parser.add_argument("--seed", type=int, default=0)
arguments = parser.parse_args()

arguments.out.mkdir(parents=True, exist_ok=True)
for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
    if name == "tokenizer.json" or (arguments.tokenizer / name).exists():
        shutil.copyfile(arguments.tokenizer / name, arguments.out / name)
vocabulary = json.loads((arguments.out / "tokenizer.json").read_text())["model"]["vocab"]

torch.manual_seed(arguments.seed)
model = BertForQuestionAnswering(
    BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=arguments.width,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.width // 64,
        intermediate_size=4 * arguments.width,
        max_position_embeddings=512,
    )
)
# Fresh weights give nearly flat logits (deviation 0.2), and then the pipeline's habit of adding up
# the scores of equal texts decides. A trained model's logits spread over several units: with that
# the two sides' answers can be compared.
with torch.no_grad():
    model.qa_outputs.weight.mul_(20)
model.save_pretrained(arguments.out)
print(f"{arguments.out}: {model.num_parameters():,} random parameters, seed {arguments.seed}")
