.DEFAULT_GOAL := help
.PHONY: help start simulator test readme requirements

PYTHON_IN_VENV := .venv/bin/python

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

start: .venv/.ready ## Run the app here; Azure is simulated unless AZURE_OPENAI_ENDPOINT is set
	@exec $(PYTHON_IN_VENV) dev/start.py

simulator: .venv/.ready ## Run the simulated Azure OpenAI alone, for use with Core Tools
	@exec $(PYTHON_IN_VENV) -m azure_simulator

test: .venv/.ready ## Lint, check types, run all tests
	@$(PYTHON_IN_VENV) -m ruff check
	@$(PYTHON_IN_VENV) -m ruff format --check --quiet
	@$(PYTHON_IN_VENV) -m pyright
	@$(PYTHON_IN_VENV) -m pytest

readme: .venv/.ready ## Write into README.md what its commands print
	@$(PYTHON_IN_VENV) dev/readme.py

requirements: .venv/.ready ## Write src/requirements.txt, what Azure installs, from uv.lock
	@$(PYTHON_IN_VENV) -m uv export --quiet --locked --no-emit-project --no-hashes --python $(PYTHON_IN_VENV) \
		--output-file src/requirements.txt

.venv/.ready: uv.lock pyproject.toml scripts/setup
	@scripts/setup
