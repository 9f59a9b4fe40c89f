"""Packs a checkpoint as the bundled models are packed, and fits its threshold.

    python recipes/pack.py runs/small-mean tune.json.gz squad-part.json.gz gold-human.json.gz \
        datasets/asked/train.json.gz -o build/small
    python recipes/pack.py runs/tiny-mean tune.json.gz ... --words 8 -o build/tiny

Layers are rounded by what goes into them for 80 questions of each of the files after the first. The
scores are calibrated by `pullquote calibrate` afterwards (`make models`).
"""

from __future__ import annotations

from pathlib import Path

import click

from pullquote import Reader
from pullquote.data import load
from pullquote.data.sample import sample
from pullquote.publishing.pack import pack_checkpoint
from pullquote.reading.evaluate import fit_and_store


@click.command(help=__doc__)
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("tune", type=click.Path(path_type=Path))
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--words", default=4, show_default=True, help="Bits of word embeddings.")
@click.option("--each", default=80, show_default=True, help="Questions of each file.")
@click.option("--seed", default=5, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    checkpoint: Path,
    tune: Path,
    data: tuple[Path, ...],
    words: int,
    each: int,
    seed: int,
    output: Path,
) -> None:
    """Write a model directory."""
    examples = [one for file in data for one in sample(load(file).examples, each, seed)]
    pack_checkpoint(checkpoint, output, examples, words=words)
    fit_and_store(Reader(output), load(tune).examples, source=tune.name)


if __name__ == "__main__":
    main()
