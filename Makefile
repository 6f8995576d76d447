.DEFAULT_GOAL := help
.PHONY: help start simulator test check docs requirements

PYTHON_IN_VENV := .venv/bin/python
RUN := $(PYTHON_IN_VENV) -m
EXPORT := $(RUN) uv export --quiet --locked --no-header --no-emit-project --no-hashes --python $(PYTHON_IN_VENV)

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

start: .venv/.ready ## Run the app here; Azure is simulated unless AZURE_OPENAI_ENDPOINT is set
	@exec $(PYTHON_IN_VENV) dev/start.py

simulator: .venv/.ready ## Run the simulated Azure OpenAI alone, for use with Core Tools
	@exec $(RUN) azure_simulator

test: check ## Run all checks, then all tests
	@$(RUN) coverage erase
	@$(RUN) coverage run -m pytest
	@$(RUN) coverage combine --quiet
	@$(RUN) coverage report

check: .venv/.ready ## Lint, types, layers, dependencies, requirements, secrets, shell, Markdown
	@$(RUN) ruff check --quiet
	@$(RUN) ruff format --check --quiet
	@$(RUN) pyright
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/deptry src
	@.venv/bin/deptry dev tests --ignore DEP002,DEP004 --per-rule-ignores 'DEP003=multidict|yarl' \
		--known-first-party streaming_chat --known-first-party azure_simulator --known-first-party functions_host --known-first-party support
	@$(EXPORT) | cmp -s - src/requirements.txt || \
		{ echo "src/requirements.txt does not match uv.lock: run 'make requirements'" >&2; exit 1; }
	@git ls-files -z --cached --others --exclude-standard -- ':!uv.lock' | \
		xargs -0 .venv/bin/detect-secrets-hook
	@.venv/bin/shellcheck $$(git grep -lIE '^#!.*\b(ba)?sh\b' -- ':!tests')
	@.venv/bin/pymarkdown scan $$(git ls-files --cached --others --exclude-standard '*.md')

docs: .venv/.ready ## Write into the documentation what comes from the code
	@$(PYTHON_IN_VENV) dev/docs.py

requirements: .venv/.ready ## Write src/requirements.txt, what Azure installs, from uv.lock
	@$(EXPORT) > src/requirements.txt

.venv/.ready: uv.lock pyproject.toml scripts/setup
	@scripts/setup
