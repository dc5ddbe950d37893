# Two commands do all the set-up: `make demo` and `make test`. Both build .venv when it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
STAMP := $(VENV)/.installed
CONSTRAINTS := constraints.txt
LINT := lint
# A process a core, up to four: each takes files of tests one after the other.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test coverage test-slow test-slurm tables notebooks docs images lint install peers clean

$(STAMP): setup.cfg $(CONSTRAINTS) pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "keyframe_bench needs Python 3.10 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@echo "Creating $(VENV) ..."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the packages into $(VENV) (7 GB, a few minutes) ..."
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) pip
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) -e '.[networks,semantic,training,sweeps,cluster,figures,docs,dev]'
	@echo "Installing the launcher for Ray ..."
	$(BIN)/python -m pip install --quiet -c $(CONSTRAINTS) --no-deps 'hydra-ray-launcher>=1.2.2' # why alone: setup.cfg
	touch $@

install: $(STAMP)

# Render the synthetic data set, run every extractor, print the comparison table.
demo: $(STAMP)
	$(BIN)/keyframe-bench run dataset=synthetic dataset.root=outputs/demo/videos extractors=all \
	    budget=6 out=outputs/demo

test: $(STAMP) $(LINT)
	$(BIN)/python -m pytest -q $(PARALLEL) --nbmake tests keyframe_bench notebooks

# The same with the lines that no test reaches; it takes half as long again.
coverage: $(STAMP)
	$(BIN)/python -m pytest -q --cov=keyframe_bench --cov-report=term:skip-covered --nbmake tests keyframe_bench notebooks

# Everything that is too heavy for every run.
test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow tests

# A sweep through SLURM: one of one node is installed (Debian's packages, as root) and started for the time of the test,
# unless one answers already.
test-slurm: $(STAMP)
	tests/cluster/slurm_node.sh run $(BIN)/python -m pytest -q -m slurm tests/cluster

# Third-party tools as rows: their OpenCV would overwrite ours, so they live in an environment of their own. All of it
# is pinned, and nothing else is installed: Katna would bring a second OpenCV, with windows.
peers: $(PEERS)/.installed

$(PEERS)/.installed: requirements-peers.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "the pinned peers need Python 3.11 or newer: make PYTHON=python3.11 peers")'
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@echo "Installing the peers into $(PEERS) (a few minutes) ..."
	$(PEERS)/bin/python -m pip install --quiet --no-deps -r requirements-peers.txt
	touch $@

# The tables of docs/results.md and of the pages in experiments/ from the results in experiments/results/.
tables: $(STAMP)
	for name in main curves peers surveillance; do \
	    $(BIN)/keyframe-bench table $$name --from experiments/results/$$name.jsonl --into docs/results.md || exit 1; \
	done
	$(BIN)/keyframe-bench table backbones --from experiments/results/backbones.jsonl --into experiments/backbones.md
	$(BIN)/keyframe-bench table strips --from experiments/results/strips.jsonl --into experiments/strips.md
	for name in counts comparison change_graph labelling; do \
	    $(BIN)/keyframe-bench table platform_ai/$$name --from experiments/results/platform_ai_$$name.jsonl \
	        --into experiments/platform_ai/README.md || exit 1; \
	done
	for name in table1 table2 table3 table4 table5 table6 figure1 figure2 figure3 figure4a figure4b; do \
	    $(BIN)/keyframe-bench table chen2021/$$name --from experiments/results/chen2021_$$name.jsonl \
	        --into experiments/chen2021/README.md || exit 1; \
	done
	for name in table_cus learning figure7 figure8 figure9 figure10; do \
	    $(BIN)/keyframe-bench table lin2015/$$name --from experiments/results/lin2015_$$name.jsonl \
	        --into experiments/lin2015/README.md || exit 1; \
	done
	for name in table1 figure3 table_reconstruction; do \
	    $(BIN)/keyframe-bench table framers/$$name --from experiments/results/framers_$$name.jsonl \
	        --into experiments/framers/README.md || exit 1; \
	done
	for film in film480p film1080p one_by_one_person; do \
	    $(BIN)/keyframe-bench perf --from experiments/speed/$$film.json --into experiments/speed/README.md >/dev/null || exit 1; \
	done

# The notebooks with new outputs, which are committed; they run here and in `make test`.
notebooks: $(STAMP)
	$(BIN)/python -c 'import sys; from nbclient import execute; from nbformat import read, write; \
	    [write(execute(read(p, 4), cwd="notebooks", coalesce_streams=True), p) for p in sys.argv[1:]]' notebooks/*.ipynb
	$(BIN)/nbstripout --keep-id --keep-count --extra-keys metadata.language_info.version notebooks/*.ipynb

# The site into outputs/site; a warning is an error.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The images of README and docs, from rendered videos (needs Chromium).
images: $(STAMP)
	$(BIN)/python docs/images/make_images.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

clean:
	rm -rf $(VENV) $(PEERS) outputs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
