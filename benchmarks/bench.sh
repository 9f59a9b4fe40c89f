#!/bin/sh
# What `make bench` runs: prepare the two checkpoints in both forms, then time them side by side.
# $1 is the folder with the development data, $2 a checkpoint of the bundled model `small`.
set -eu
shared=$1
small=$2
build=build/bench

.venv/bin/python benchmarks/make_random.py "$small" "$build/tiny-hf"
.venv/bin/pullquote export "$build/tiny-hf" -o "$build/tiny"
.venv/bin/pullquote export "$build/tiny-hf" -o "$build/tiny-int8" --int8
.venv/bin/python benchmarks/train.py "$build/tiny-hf" "$shared/data/squad2/train.json.gz"
.venv/bin/python benchmarks/forms.py "$small" "$shared/data/squad2/tune.json.gz"
exec .venv/bin/python benchmarks/run.py \
    --data "$shared/data/squad2/dev-v2.0.json.gz" --hf4-python .hf4/bin/python \
    --model "tiny=$build/tiny-hf:$build/tiny" \
    --model "tiny-int8=$build/tiny-hf:$build/tiny-int8" \
    --model "small=$small:small"
