# make demo: a trained, measured policy.  make test: the tests.  make help: the rest.
SHELL := bash
BIN := .venv/bin
BASE := .venv/.installed-base
DEV := .venv/.installed-dev

# An active environment, a user site or a stray PYTHONPATH must not leak into ours. Nor must a wish to keep no bytecode:
# every process would compile torch and LeRobot anew, which takes 17 s instead of 6.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX PYTHONDONTWRITEBYTECODE
export PYTHONNOUSERSITE := 1
ifdef PYTHON
export PYTHON
endif

.PHONY: help demo test browser lint docs package newest format clean

help:
	@echo "make demo    train on the packaged PushT demonstrations, evaluate, draw (goes on where it was interrupted)"
	@echo "make test    the tests"
	@echo "make browser install Chromium for the test of the page, where root and apt-get are at hand"
	@echo "make lint    ruff and mypy"
	@echo "make docs    the pages of docs/ as a site, in outputs/site"
	@echo "make package build the wheel, install it elsewhere and try it"
	@echo "make newest  try the newest lerobot, if one is newer than the tested; reports only"
	@echo "make format  let ruff rewrite the code"
	@echo "make clean   remove the environment and caches; outputs/ stays"
	@echo "PYTHON=/path/to/python3.12 chooses the interpreter; ARGS=\"…\" is passed on to demo and test"

demo: $(BASE)
	$(BIN)/dp-plus demo $(ARGS)

test: $(DEV)
	$(BIN)/python -m pytest --numprocesses=logical --dist=worksteal $(ARGS)

browser:
	@scripts/install_browser.sh

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir outputs/site

package: $(DEV)
	@scripts/check_package.sh

newest:
	@$(BIN)/python scripts/newest_lerobot.py $(BIN)/python $(ARGS)

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(BASE): pyproject.toml constraints.txt
	@scripts/install.sh $@ .

$(DEV): pyproject.toml constraints.txt
	@scripts/install.sh $@ ".[dev]"

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
