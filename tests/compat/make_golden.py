"""Records the golden files: the results of transformers 4.57.6 for three checkpoints.

    python tests/compat/make_golden.py --hf4-python .hf4/bin/python --checkpoint build/small-hf

- `minilm`: the checkpoint of the bundled model, in float32 (`pullquote unpack small`);
- `random`: BERT with random weights, 2 layers, the same vocabulary;
- `bytelevel`: RoBERTa with random weights and a byte-level tokenizer of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from cases import TEXTS, drawn, fixed
from tokenizers import ByteLevelBPETokenizer
from tokenizers.processors import RobertaProcessing
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    RobertaConfig,
    RobertaForQuestionAnswering,
)

HERE = Path(__file__).parent
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def main() -> None:
    """Record all three golden files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hf4-python", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    arguments = parser.parse_args()
    (HERE / "golden").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = {
            "minilm": arguments.checkpoint,
            "random": random_bert(Path(folder, "random"), arguments.checkpoint),
            "bytelevel": random_roberta(Path(folder, "bytelevel")),
        }
        for seed, (name, checkpoint) in enumerate(checkpoints.items()):
            cases = [*fixed(), *drawn(seed, 150)]
            found = ask(arguments.hf4_python, checkpoint, cases, Path(folder), logits=True)
            golden = json.dumps({"cases": cases, **found}, ensure_ascii=False)
            packed = gzip.compress(golden.encode(), mtime=0)
            (HERE / "golden" / f"{name}.json.gz").write_bytes(packed)
            print(f"{name}: {len(cases)} cases, {len(packed):,} bytes")
        shutil.copyfile(
            Path(folder, "bytelevel", "tokenizer.json"),
            HERE / "golden" / "bytelevel.tokenizer.json",
        )


def ask(
    python: str, checkpoint: Path, cases: list[dict[str, object]], folder: Path, *, logits: bool
) -> dict[str, object]:
    """The results of transformers 4.57.6 for the cases."""
    asked, said = folder / "cases.json", folder / "said.json"
    asked.write_text(json.dumps(cases), encoding="utf-8")
    command = [python, HERE / "side_hf4.py", "--model", checkpoint, "--cases", asked, "--out", said]
    subprocess.run([*command, *(["--logits"] if logits else [])], check=True)
    return json.loads(said.read_text(encoding="utf-8"))


def random_bert(out: Path, tokenizer: Path) -> Path:
    """A BERT with random weights, scaled so that its logits spread like those of a trained one."""
    torch.manual_seed(0)
    model = BertForQuestionAnswering(
        BertConfig(vocab_size=30522, intermediate_size=64, max_position_embeddings=512, **SIZES)
    )
    with torch.no_grad():
        model.qa_outputs.weight.mul_(30)
    model.save_pretrained(out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, out / name)
    return out


def random_roberta(out: Path) -> Path:
    """A RoBERTa with random weights and a byte-level tokenizer trained on the cases' texts."""
    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    texts = [text for context, questions in TEXTS for text in (context, *questions)]
    tokenizer.train_from_iterator(
        texts, vocab_size=600, special_tokens=special, show_progress=False
    )
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    out.mkdir()
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": 512,
                "cls_token": "<s>",
                "sep_token": "</s>",
                "pad_token": "<pad>",
                "unk_token": "<unk>",
                "model_input_names": ["input_ids", "attention_mask"],
            }
        )
    )
    torch.manual_seed(1)
    model = RobertaForQuestionAnswering(
        RobertaConfig(
            vocab_size=tokenizer.get_vocab_size(),
            intermediate_size=64,
            max_position_embeddings=514,
            type_vocab_size=1,
            **SIZES,
        )
    )
    with torch.no_grad():
        model.qa_outputs.weight.mul_(30)
    model.save_pretrained(out)
    return out


if __name__ == "__main__":
    main()
