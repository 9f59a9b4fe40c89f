"""Records the results of squad_metrics of transformers 4.57.6 for the questions of the cases.

Runs in its environment: .hf4/bin/python tests/compat/make_metrics_golden.py build/small-hf

Logits are random, with higher ones for the true answers, so that many kinds of candidates win.
"""

import gzip
import json
import random
import sys
import tempfile
from pathlib import Path

from cases import TEXTS
from transformers import BertTokenizer
from transformers.data.metrics import squad_metrics
from transformers.data.processors.squad import (
    SquadResult,
    SquadV2Processor,
    squad_convert_examples_to_features,
)

HERE = Path(__file__).parent
KEPT = (
    *("example_index", "unique_id", "tokens", "token_to_orig_map", "token_is_max_context"),
    *("input_ids", "attention_mask", "token_type_ids", "cls_index", "p_mask", "paragraph_len"),
    *("start_position", "end_position", "is_impossible", "qas_id"),
)

random.seed(0)
# only slow tokenizers can make features; they read a vocabulary with one token per line
vocabulary = json.loads(Path(sys.argv[1], "tokenizer.json").read_text())["model"]["vocab"]
words = Path(tempfile.mkdtemp(), "vocab.txt")
words.write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
tokenizer = BertTokenizer(str(words))
squad = {"data": [{"title": "Texts", "paragraphs": []}]}
for number, (context, questions) in enumerate(TEXTS):
    qas = []
    for place, question in enumerate(questions):
        words = context.split()
        first = random.randrange(len(words))
        text = " ".join(words[first : first + random.randint(1, 4)])
        answers = [{"text": text, "answer_start": context.find(text)}] if text in context else []
        if random.random() < 0.3:
            answers = []
        qas.append(
            {
                "id": f"{number}-{place}",
                "question": question,
                "answers": answers,
                "is_impossible": not answers,
            }
        )
    squad["data"][0]["paragraphs"].append({"context": context, "qas": qas})
file = Path(tempfile.mkdtemp(), "data.json")
file.write_text(json.dumps(squad))
examples = SquadV2Processor().get_dev_examples(str(file.parent), filename=file.name)
features = squad_convert_examples_to_features(
    examples, tokenizer, 96, 32, 24, False, threads=1, tqdm_enabled=False
)
results = []
for feature in features:
    example = examples[feature.example_index]
    start, end = ([random.gauss(0, 2) for _ in feature.input_ids] for _ in "se")
    if example.answers and random.random() < 0.7:
        word = example.char_to_word_offset[example.answers[0]["answer_start"]]
        for token, place in feature.token_to_orig_map.items():
            if place == word:
                start[token] += 5
                end[token] += 5
    results.append(SquadResult(feature.unique_id, start, end))

train = SquadV2Processor().get_train_examples(str(file.parent), filename=file.name)
labelled = squad_convert_examples_to_features(
    train, tokenizer, 96, 32, 24, True, threads=1, tqdm_enabled=False
)
golden = {
    "labels": [[f.qas_id, f.start_position, f.end_position, f.is_impossible] for f in labelled],
    "squad": squad,
    "features": [{name: getattr(feature, name) for name in KEPT} for feature in features],
    "logits": [[r.unique_id, r.start_logits, r.end_logits] for r in results],
    "examples": [
        [e.qas_id, e.doc_tokens, e.start_position, e.end_position, e.title] for e in examples
    ],
    "train": [[e.answer_text, e.start_position, e.end_position] for e in train],
}
for name, negative, threshold in (("v2", True, 0.0), ("v2 shy", True, -3.0), ("v1", False, 0.0)):
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, file)) for file in ("p.json", "n.json", "o.json")]
        predictions = squad_metrics.compute_predictions_logits(
            examples, features, results, 10, 8, True, *paths, False, negative, threshold, tokenizer
        )
        files = [json.loads(Path(p).read_text()) for p in paths if Path(p).exists()]
        odds = files[2] if negative else dict.fromkeys(predictions, 0.0)
    golden[name] = {
        "files": files,
        "plain": squad_metrics.squad_evaluate(examples, predictions),
        "odds": squad_metrics.squad_evaluate(examples, predictions, odds, 0.5),
    }
pairs = [("steve smith", "Steve Smith's"), ("cafe", "le Café d'été"), ("x", "Y"), ("ab", "a b")]
golden["final"] = [
    [a, b, lower, squad_metrics.get_final_text(a, b, lower)]
    for a, b in pairs
    for lower in (True, False)
]
packed = gzip.compress(json.dumps(golden).encode(), mtime=0)
(HERE / "golden" / "squad_metrics.json.gz").write_bytes(packed)
print(f"{len(features)} windows, {len(packed):,} bytes")
