# make demo and make test do all their own set-up; see README.md.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= outputs/demo
MODEL ?= outputs/model
JOBS ?= 2
SEED ?= 0
# Compiled modules are kept: without them every command takes ten seconds more to import torch.
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo model test lint install install-text install-dev clean

demo: install
	$(BIN)/python train.py experiment=demo output_dir=$(DEMO)/train
	$(BIN)/python predict.py ckpt=$(DEMO)/train/best.ckpt data=synthetic output_dir=$(DEMO)/predict
	$(BIN)/python predict.py photos=docs/photos output_dir=$(DEMO)/shipped

# The recipe of the model that ships, detector and recogniser: make model DATA=DIR [SEED=1], some
# 100 minutes of one CPU core.
model: install-text
	@test -f "$(DATA)/train.json" || { echo "make model DATA=DIR: no $(DATA)/train.json;" \
		"DIR is a data set in the course's layout (docs/usage.md)."; exit 1; }
	$(BIN)/python train.py experiment=best seed=$(SEED) data.real.root=$(DATA) \
		output_dir=$(MODEL)/best
	$(BIN)/python train.py experiment=finetune seed=$(SEED) data.real.root=$(DATA) \
		backbone.weights=$(MODEL)/best/last.ckpt output_dir=$(MODEL)/finished
	$(BIN)/python train.py task=recognizer data=mixed seed=$(SEED) data.real.root=$(DATA) \
		data.shares.real=0.7 data.shares.synthetic=0.3 output_dir=$(MODEL)/recognizer
	$(BIN)/python predict.py ckpt=$(MODEL)/finished/best.ckpt data=coco data.root=$(DATA) \
		recognizer=$(MODEL)/recognizer/best.ckpt split=valid output_dir=$(MODEL)/valid
	$(BIN)/python -m digits.calibrate $(MODEL)/finished/best.ckpt \
		$(MODEL)/valid/detections.json --labels $(DATA)/valid.json

test: install-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(VENV)/.installed
install-text: $(VENV)/.installed-text
install-dev: $(VENV)/.installed-dev

# uv installs in a fraction of pip's time; pip itself only brings uv.
$(VENV)/bin/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/uv
	@echo "Installing into $(VENV): about a minute, 5 GB with the CUDA libraries of torch."
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet -e .
	touch $@

$(VENV)/.installed-text: pyproject.toml | $(VENV)/bin/uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet -e '.[text]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/uv
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet -e '.[dev]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-text

clean:
	rm -rf $(VENV) outputs multirun
