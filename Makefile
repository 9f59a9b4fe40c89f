# Every verb makes what it needs. `make demo` and `make test` are all the set-up there is.
PYTHON ?= python3
SHARED ?= ../shared
BIN := .venv/bin
SQUAD := $(SHARED)/data/squad2

.PHONY: demo test check docs site bench bench-serve soak mutants parity golden models clean help

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 13

demo: .demo/ready  ## answer three questions about a text, offline, with the bundled model
	@sh examples/demo.sh .demo/bin/pullquote examples/lighthouse.txt

test: .venv/ready  ## run the tests
	PULLQUOTE_SHARED=$(abspath $(wildcard $(SHARED))) $(BIN)/python -m pytest

check: .venv/ready  ## lint, formatting, types, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	$(BIN)/hadolint Dockerfile

docs: .venv/ready  ## write docs/cli.md, docs/http.md and docs/api.md from the program itself
	$(BIN)/python docs/generate.py

site: .venv/ready  ## build the documentation site into build/site, offline
	$(BIN)/python docs/build_site.py

bench: .venv/ready .hf4/ready  ## time pullquote beside transformers 4.57.6 (about 30 minutes)
	sh benchmarks/bench.sh $(SHARED)

bench-serve: .venv/ready  ## load a server, batches beside one at a time (wrk; about 15 minutes)
	$(BIN)/python benchmarks/serve.py --data $(SQUAD)/dev-v2.0.json.gz --model tiny --model small

soak: .venv/ready  ## half an hour of mixed load under a memory cap: no error, no growth
	$(BIN)/python benchmarks/soak.py --minutes 30

mutants: .venv/ready  ## break the code in many places, one at a time: each time a test has to fail (8 minutes)
	$(BIN)/python tests/mutants.py

parity: .venv/ready .hf4/ready  ## compare 2,000 fresh pipeline calls with transformers 4.57.6
	$(BIN)/python tests/compat/parity.py --hf4-python .hf4/bin/python \
	    --checkpoint $(SHARED)/models/minilm-l6-squad2

golden: .venv/ready .hf4/ready  ## record the pipeline calls that the tests compare with (development)
	$(BIN)/python tests/compat/make_golden.py --hf4-python .hf4/bin/python \
	    --checkpoint $(SHARED)/models/minilm-l6-squad2
	.hf4/bin/python tests/compat/make_metrics_golden.py $(SHARED)/models/minilm-l6-squad2

models: .venv/ready  ## make the bundled models again from runs/small and runs/tiny (development)
	rm -f src/pullquote/models/*/model.safetensors
	rm -rf build/small && $(BIN)/pullquote quantize runs/small -o build/small \
	    --max-bytes 16.74MiB --data $(SQUAD)/tune.json.gz
	cp build/small/* src/pullquote/models/small
	$(BIN)/pullquote export runs/tiny -o src/pullquote/models/tiny \
	    --int8 --weights --data $(SQUAD)/tune.json.gz --fit-threshold
	for name in small tiny; do $(BIN)/pullquote calibrate src/pullquote/models/$$name \
	    $(SQUAD)/tune.json.gz; done

clean:  ## remove the environments and caches
	rm -rf .demo .venv .hf4 build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The demo's environment holds the package and its four dependencies, nothing else.
.demo/ready: pyproject.toml constraints.txt $(shell find src -type f -not -name '*.pyc')
	$(PYTHON) -m venv .demo
	.demo/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt .
	touch $@

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

.hf4/ready: benchmarks/requirements-hf4.txt
	$(PYTHON) -m venv .hf4
	.hf4/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
