"""A random part of a SQuAD JSON file's questions, all with the same chance.

python recipes/part.py train.json.gz --share 0.24 --seed 12 -o runs/data/squad-part.json.gz
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import click


@click.command(help=__doc__)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--share", type=click.FloatRange(0, 1), required=True)
@click.option("--seed", type=int, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(file: Path, share: float, seed: int, output: Path) -> None:
    """Write the questions whose lot is drawn, and no paragraph without any."""
    data = json.loads(gzip.decompress(file.read_bytes()))
    lots = random.Random(seed)
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            paragraph["qas"] = [qa for qa in paragraph["qas"] if lots.random() < share]
        article["paragraphs"] = [p for p in article["paragraphs"] if p["qas"]]
    output.write_bytes(gzip.compress(json.dumps(data).encode(), mtime=0))
    questions = sum(len(p["qas"]) for a in data["data"] for p in a["paragraphs"])
    click.echo(f"{output}: {questions:,} questions")


if __name__ == "__main__":
    main()
