#!/bin/sh
# What `make bench` runs: training and the forms of a checkpoint, then the bundled models beside the pipeline.
# $1 is the folder with the development data, $2 a checkpoint of the bundled model `small`.
set -eu
shared=$1
small=$2
tiny=src/pullquote/models/tiny

.venv/bin/python benchmarks/make_random.py "$small" build/bench/tiny-hf
.venv/bin/python benchmarks/train.py build/bench/tiny-hf "$shared/data/squad2/train.json.gz"
.venv/bin/python benchmarks/forms.py "$small" "$shared/data/squad2/tune.json.gz"
exec .venv/bin/python benchmarks/run.py \
    --data "$shared/data/squad2/dev-v2.0.json.gz" --hf4-python .hf4/bin/python --questions 300 \
    --model "tiny=$tiny:tiny" --model "small=$small:small"
