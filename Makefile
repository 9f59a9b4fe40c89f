# Every verb makes what it needs. `make demo` and `make test` are all the set-up there is.
PYTHON ?= python3
SHARED ?= ../shared
BIN := .venv/bin
SQUAD := $(SHARED)/data/squad2
CHECKPOINT := build/small-hf
# What `make engine` builds. On Windows, where make is rare: cmake -T ClangCL -S engine -B build/engine,
# cmake --build build/engine --config Release, and copy pullquote.dll to the same folder.
LIBRARY := libpullquote.$(if $(filter Darwin,$(shell uname)),dylib,so)
ENGINE := src/pullquote/reading/backends/_engine/$(LIBRARY)
HAS_COMPILER := $(shell command -v $(CXX) 2>/dev/null)
QUIET := --quiet --disable-pip-version-check
# The tests that need no torch and no browser. One score is left out, for its second decimal is
# that of the newest ONNX Runtime.
QUICK := tests/reading tests/searching tests/scoring tests/data tests/checkpoints tests/cli \
    tests/compat tests/serving tests/scale tests/checking tests/agents tests/test_files.py tests/test_text.py tests/test_types.py -W ignore::DeprecationWarning -p no:cacheprovider \
    --ignore=tests/serving/test_serving_page.py --ignore=tests/cli/test_cli_train.py \
    --deselect=tests/cli/test_cli_ask.py::test_no_answer_says_so_and_names_the_nearest_quote
QUICK_TOOLS := pytest pytest-timeout pytest-xdist hypothesis schemathesis httpx psutil safetensors \
    onnx onnxscript
QUICK_EXTRAS := .[hub,files,fill,onnx,parquet,remote,tantivy,report,serve]

.PHONY: demo test check docs site bench bench-serve bench-shapes soak mutants parity golden models
.PHONY: clean help test-floors test-integrations nightly people engine engine-sanitize engine-arm
.PHONY: fuzz picture test-numpy test-onnx test-scale

help:  ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 13

demo: .demo/ready  ## answer three questions about a text, offline, with the bundled model
	@sh examples/demo.sh .demo/bin/pullquote examples/lighthouse.txt

# Those that watch a clock, a terminal or a server's limits run after the others, alone.
# $(call each-way,PYTEST COMMAND,MORE MARKS and )
together = $(1) -n auto --dist loadfile -m "$(2)not alone"
each-way = $(together) && $(1) -m "$(2)alone"
PYTEST := PULLQUOTE_SHARED=$(abspath $(wildcard $(SHARED))) $(BIN)/python -m pytest -rs
test: .venv/ready engine  ## run the tests (COVERAGE=1: and say what they reach)
	@echo "The tests take about 12 minutes on 2 cores$(if $(COVERAGE), and a third more for the coverage)."
	$(PYTEST) -n auto --dist loadfile -m "not alone" \
	    $(if $(COVERAGE),--cov --cov-report= --cov-fail-under=0)
	$(PYTEST) -m alone $(if $(COVERAGE),--cov --cov-append --cov-report=term:skip-covered)

test-floors: .floors/ready  ## run the quick tests at the lowest versions (FULL=1: those that run alone, and with torch, too)
	@echo "The quick tests take about 3 minutes on 2 cores."
	$(call $(if $(FULL),each-way,together),.floors/bin/python -m pytest -rs $(QUICK))
ifdef FULL
	$(MAKE) .floors-torch/ready
	.floors-torch/bin/python -m pytest -rs tests/training tests/families tests/compat \
	    tests/cli/test_cli_train.py -W ignore::DeprecationWarning -W ignore::FutureWarning \
	    -p no:cacheprovider $(NO_EMPTY_BATCH)
endif

test-integrations: .integrations/ready engine  ## test the components for Haystack, LangChain, LlamaIndex and frames with today's releases
	.integrations/bin/python -m pytest -rs tests/integrations -p no:cacheprovider

# What answers questions, with the other backends.
ANSWERING := tests/reading tests/compat tests/cli tests/serving tests/searching tests/scale
test-numpy: .venv/ready  ## run the tests of what answers with numpy in the engine's place (15 minutes)
	$(call each-way,PULLQUOTE_ENGINE=off $(BIN)/python -m pytest -rs $(ANSWERING))

ONNX := build/onnx-package
test-onnx: .venv/ready engine  ## run them with the bundled models as ONNX files, read by ONNX Runtime (15 minutes)
	rm -rf $(ONNX)
	mkdir -p $(ONNX)
	cp -r src/pullquote $(ONNX)
	for name in small tiny; do \
	    $(BIN)/pullquote export $$name --onnx -o $(ONNX)/$$name && \
	    mv $(ONNX)/$$name/model.onnx $(ONNX)/pullquote/models/$$name && \
	    rm $(ONNX)/pullquote/models/$$name/packed.safetensors || exit 1; done
	$(call each-way,PYTHONPATH=$(CURDIR)/$(ONNX) $(BIN)/python -m pytest -rs $(ANSWERING),not packed and )

# What `make test` skips: its environment has neither Ray nor Spark, which take 0.7 GB.
ON_CLUSTERS := $(addprefix tests/scale/test_scale_,ray.py ray_pool.py spark.py stores.py)
test-scale: .scale/ready engine  ## run the tests on Ray, Spark (with Java 17) and a server of S3
	.scale/bin/python -m pytest -rs $(ON_CLUSTERS) -p no:cacheprovider

test-python-%: .nightly/%/ready  # the quick tests on another Python, such as test-python-3.13
	$(call each-way,.nightly/$*/bin/python -m pytest -rs $(QUICK))

nightly: .venv/ready  ## all that takes long: other Pythons, floors with torch, soak, parity
	.ci/nightly

check: .venv/ready  ## lint, formatting, types, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	$(BIN)/hadolint Dockerfile

docs: .venv/ready  ## write docs/cli.md, docs/http.md and docs/api.md from the program itself
	$(BIN)/python docs/generate.py

picture: .venv/ready engine  ## take the picture of the page in the README again (needs a Chromium)
	$(BIN)/python docs/picture.py

site: .venv/ready  ## build the documentation site into build/site, offline
	$(BIN)/python docs/build_site.py

bench: .venv/ready engine .hf4/ready $(CHECKPOINT)/ready  ## time pullquote beside transformers 4.57.6 (about 30 minutes)
	sh benchmarks/bench.sh $(SHARED) $(CHECKPOINT)

SPLIT ?= test
people: .venv/ready engine .hf4/ready  ## quality on questions as people ask them (SPLIT=tune; about 12 minutes)
	$(BIN)/python benchmarks/people/run.py --split $(SPLIT) --hf4-python .hf4/bin/python \
	    --outside build/outside

bench-shapes: .venv/ready engine .hf4/ready $(CHECKPOINT)/ready  ## time shapes of larger models, in the pipeline and here (about 10 minutes)
	sh benchmarks/shapes.sh $(SHARED) $(CHECKPOINT)

bench-serve: .venv/ready engine  ## load a server, batches beside one at a time (wrk; about 15 minutes)
	$(BIN)/python benchmarks/serve.py --data $(SQUAD)/dev-v2.0.json.gz --model tiny --model small

soak: .venv/ready engine  ## half an hour of mixed load, hostile requests among it: no wrong answer, no growth
	$(BIN)/python benchmarks/soak.py --minutes 30

mutants: .venv/ready engine  ## break the code in many places, one at a time: each time a test has to fail (10 minutes)
	$(BIN)/python tests/mutants.py

MINUTES ?= 60
SEED ?= $(shell date +%Y%m%d)
PART := $$(( ($(MINUTES) + 3) / 4 ))
fuzz: .venv/ready engine  ## damage model files, texts, indexes, documents, requests and calls of the engine (MINUTES=60)
	$(BIN)/python tests/fuzz/run.py --minutes $(PART) --seed $(SEED)
	$(BIN)/python tests/fuzz_documents.py --minutes $(PART) --seed $(SEED)
	$(BIN)/python tests/serving/fuzz_http.py --minutes $(PART) --seed $(SEED)
ifneq ($(shell command -v clang++ 2>/dev/null),)
	$(BIN)/cmake -S engine -B build/engine-fuzzer -DCMAKE_CXX_COMPILER=clang++ -DPULLQUOTE_SANITIZE=fuzzer
	$(BIN)/cmake --build build/engine-fuzzer
	build/engine-fuzzer/fuzz -max_total_time=$$(( $(PART) * 60 )) -rss_limit_mb=2048 -timeout=60
else
	@echo "The engine's calls are left out: libFuzzer needs clang++ (make engine-sanitize tries some)."
endif

parity: .venv/ready engine .hf4/ready $(CHECKPOINT)/ready  ## compare 2,000 fresh pipeline calls with transformers 4.57.6
	$(BIN)/python tests/compat/parity.py --hf4-python .hf4/bin/python \
	    --checkpoint $(CHECKPOINT)

golden: .venv/ready .hf4/ready $(CHECKPOINT)/ready  ## record the pipeline calls that the tests compare with (development)
	$(BIN)/python tests/compat/make_golden.py --hf4-python .hf4/bin/python \
	    --checkpoint $(CHECKPOINT)
	.hf4/bin/python tests/compat/make_metrics_golden.py $(CHECKPOINT)

ROUNDED_BY := datasets/asked/train.json.gz runs/data/gold-human.json.gz runs/data/squad-part.json.gz
models: .venv/ready  ## make the bundled models again from runs/small-mean and runs/tiny-mean (development)
	$(BIN)/python benchmarks/people/questions.py --write tune build/people-tune.json
	rm -rf build/small build/tiny
	$(BIN)/python recipes/pack.py runs/small-mean $(SQUAD)/tune.json.gz $(ROUNDED_BY) -o build/small
	$(BIN)/python recipes/pack.py runs/tiny-mean $(SQUAD)/tune.json.gz $(ROUNDED_BY) --words 8 -o build/tiny
	for name in small tiny; do $(BIN)/pullquote calibrate build/$$name $(SQUAD)/tune.json.gz \
	    --answerable-from build/people-tune.json && \
	    cp build/$$name/packed.safetensors build/$$name/reader.json src/pullquote/models/$$name; done
	cp runs/tiny-mean/model.safetensors src/pullquote/models/tiny

# An editable installation looks for the engine in src; `pip install .` builds its own.
ifneq ($(HAS_COMPILER),)
engine: $(ENGINE)  ## build the compiled engine and put it where Python finds it
else
engine:
	@echo "No C++ compiler ($(CXX)): numpy reads in place of the compiled engine, several times slower."
endif

$(ENGINE): engine/CMakeLists.txt $(wildcard engine/include/* engine/src/*) | .venv/ready
	$(BIN)/cmake -S engine -B build/engine
	$(BIN)/cmake --build build/engine
	mkdir -p $(@D)
	cp build/engine/$(LIBRARY) $@.new
	mv $@.new $@  # a process that has loaded the old one keeps it

# Of Linux, with GCC or Clang. Python under the thread sanitizer reports its own threads, so that a
# program in C++ reads in its place.
engine-sanitize: .venv/ready  ## test the engine under sanitizers: memory, undefined behaviour, threads (SHORT=1: 3 minutes)
	$(BIN)/cmake -S engine -B build/engine-address -DPULLQUOTE_SANITIZE=address
	$(BIN)/cmake --build build/engine-address --parallel 2
	build/engine-address/fuzz $(if $(SHORT),20 0,300 $(SEED))
	$(BIN)/cmake -S engine -B build/engine-thread -DPULLQUOTE_SANITIZE=thread
	$(BIN)/cmake --build build/engine-thread --parallel 2
	build/engine-thread/threads $(if $(SHORT),20,500)
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
	    ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 \
	    PULLQUOTE_ENGINE=$(CURDIR)/build/engine-address/libpullquote.so \
	    $(BIN)/python -m pytest tests/engine/test_engine_safety.py \
	    $(if $(SHORT),,tests/engine/test_engine_forward.py) -k "not bundled"

ARM := aarch64-linux-gnu
engine-arm: .venv/ready  ## test the engine's kernels for ARM under qemu (g++-aarch64-linux-gnu, qemu-user)
	$(BIN)/cmake -S engine -B build/engine-arm -DCMAKE_SYSTEM_NAME=Linux \
	    -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=$(ARM)-g++
	$(BIN)/cmake --build build/engine-arm
	$(ARM)-g++ -std=c++17 -O2 -Wall -Wextra -Iengine/include -o build/engine-arm/check_kernels \
	    tests/engine/check_kernels.cpp -Lbuild/engine-arm -lpullquote
	qemu-aarch64 -L /usr/$(ARM) -E LD_LIBRARY_PATH=build/engine-arm \
	    build/engine-arm/check_kernels neon

clean:  ## remove the environments and caches
	rm -rf .demo .venv .hf4 .floors .floors-torch .integrations .scale .nightly build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The demo's environment holds the package and its three dependencies, nothing else.
.demo/ready: pyproject.toml constraints.txt $(shell find src engine -type f -not -name '*.pyc')
	$(PYTHON) -m venv .demo
	@$(if $(HAS_COMPILER),,echo "No C++ compiler ($(CXX)): numpy reads in place of the compiled engine.")
	.demo/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt .
	touch $@

# An editable installation by a path file in place of scikit-build-core's import hook, which would go
# before PYTHONPATH: mutants, and copies of the sources, need that.
path-file = echo $(CURDIR)/src >$$(echo $(1)/lib/python*/site-packages/_editable_skbc_pullquote.pth)

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(call path-file,.venv)
	touch $@

# The lowest versions; all else is as constraints.txt has it. NumPy's lowest has no wheel for
# Python 3.13, so that FLOORS_PYTHON is 3.10 to 3.12.
FLOORS_PYTHON ?= $(PYTHON)
# Older ONNX Runtimes fail on a batch of no rows, which nothing here makes.
NO_EMPTY_BATCH := --deselect='tests/publishing/test_quantize.py::test_inputs_of_any_rank[shape3]'
.floors/ready: pyproject.toml constraints.txt constraints-floors.txt .ci/constraints.awk
	rm -rf .floors
	$(FLOORS_PYTHON) -m venv .floors
	awk -f .ci/constraints.awk constraints-floors.txt constraints.txt >.floors/constraints.txt
	.floors/bin/python -m pip install $(QUIET) -c .floors/constraints.txt $(QUICK_TOOLS) tomli \
	    -e '$(QUICK_EXTRAS)'
	$(call path-file,.floors)
	touch $@

.floors-torch/ready: pyproject.toml constraints.txt constraints-floors.txt \
    constraints-floors-torch.txt .ci/constraints.awk
	rm -rf .floors-torch
	$(FLOORS_PYTHON) -m venv .floors-torch
	awk -f .ci/constraints.awk constraints-floors-torch.txt constraints-floors.txt \
	    constraints.txt >.floors-torch/constraints.txt
	.floors-torch/bin/python -m pip install $(QUIET) -c .floors-torch/constraints.txt \
	    $(QUICK_TOOLS) -e '.[all]'
	$(call path-file,.floors-torch)
	touch $@

.integrations/ready: pyproject.toml
	rm -rf .integrations
	$(PYTHON) -m venv .integrations
	.integrations/bin/python -m pip install $(QUIET) pytest pytest-timeout hypothesis haystack-ai \
	    langchain-core llama-index-core pandas polars datasets -e '.[files]'
	$(call path-file,.integrations)
	touch $@

.scale/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .scale
	# moto takes no python-dateutil 3 or later
	grep -v '^python-dateutil==' constraints.txt >.scale/constraints.txt
	.scale/bin/python -m pip install $(QUIET) -c .scale/constraints.txt pytest pytest-timeout hypothesis \
	    psutil "moto[server]" s3fs -e '.[files,postgres,ray,serve,spark]'
	$(call path-file,.scale)
	touch $@

.nightly/%/ready: pyproject.toml constraints.txt
	rm -rf .nightly/$*
	python$* -m venv .nightly/$*
	.nightly/$*/bin/python -m pip install $(QUIET) -c constraints.txt $(QUICK_TOOLS) tomli \
	    -e '$(QUICK_EXTRAS)'
	$(call path-file,.nightly/$*)
	touch $@

# The checkpoint of the bundled model, unpacked: fp32, rounded as the model is.
$(CHECKPOINT)/ready: src/pullquote/models/small/packed.safetensors .venv/ready
	rm -rf $(CHECKPOINT)
	$(BIN)/pullquote unpack small -o $(CHECKPOINT)
	touch $@

.hf4/ready: benchmarks/requirements-hf4.txt
	$(PYTHON) -m venv .hf4
	.hf4/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@
