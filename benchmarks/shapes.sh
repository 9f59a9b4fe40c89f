#!/bin/sh
# What `make bench-shapes` runs: the shapes of models that many use for SQuAD 2.0, with random weights,
# read by the pipeline and by pullquote, beside the bundled models.
# $1 is the folder with the development data, $2 a checkpoint of the bundled model `small`.
set -eu
shared=$1
small=$2
build=build/bench

shape() { # NAME LAYERS WIDTH
    .venv/bin/python benchmarks/make_random.py "$small" "$build/$1" --layers "$2" --width "$3" >&2
    echo "--model $1=$build/$1:$build/$1"
}

# shellcheck disable=SC2046
exec .venv/bin/python benchmarks/run.py \
    --data "$shared/data/squad2/dev-v2.0.json.gz" --hf4-python .hf4/bin/python \
    --questions 40 --repeats 1 --starts 3 --out benchmarks/results/shapes \
    $(shape distilbert-base 6 768) $(shape minilm-l12 12 384) $(shape roberta-base 12 768) \
    --model "small=$small:small" --model "tiny=src/pullquote/models/tiny:tiny"
