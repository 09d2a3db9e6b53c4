# `make help` lists the targets.

PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --no-deps

# Python must cache byte code, even if the environment disables it: otherwise every process of the
# suite compiles the same 480 modules again. Git ignores `__pycache__`.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help install run test sure checks format lint types sentences contracts documents migrations clients tools coverage bench soak mutants rename lock

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ –/' | column -t -s '–'

.venv/installed: requirements/app.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo 'Installing …'
	@$(PIP) -r requirements/app.txt
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv/tested: .venv/installed requirements/dev.txt
	@echo 'Installing the packages for tests …'
	@$(PIP) -r requirements/dev.txt
	@touch $@

# The generators are not dependencies of the service, so they are outside of .venv.
.clients/installed: .venv/installed requirements/clients.txt requirements/node/package-lock.json
	@command -v npm >/dev/null || { echo 'make clients: npm is missing; install Node.js 20 or newer' >&2; exit 1; }
	@echo 'Installing generators of clients …'
	@test -x .clients/bin/python || $(BIN)/python -m venv --without-pip .clients
	@$(BIN)/python -m pip --python .clients/bin/python --disable-pip-version-check install --quiet \
	    --require-hashes --no-deps -r requirements/clients.txt
	@cp requirements/node/package.json requirements/node/package-lock.json requirements/node/.npmrc .clients
	@npm ci --prefix .clients --ignore-scripts --no-audit --no-fund --silent
	@touch $@

clients: .clients/installed  ## Install the generators of `flask api client`, and the clients that tests run

tools: install .venv/tested  ## Also install the packages for tests, checks and `flask feature`

.env:
	@umask 077; printf '# Development. Every variable: .env.example\nAPP_ENV=development\n' > $@

install: .venv/installed .env  ## Create .venv, and a development .env unless there is one

run: install  ## Migrate and serve on :8000
	@$(BIN)/flask db upgrade
	@echo
	@echo 'Serving on http://localhost:$(or $(PORT),8000) – stop with Ctrl-C. Next, in another terminal:'
	@echo '  read and try the API:  http://localhost:$(or $(PORT),8000)/api/v1/docs'
	@test ! -d project/auth || echo '  create the first user: $(BIN)/flask create-user ada --email ada@example.com --admin'
	@echo '  create example data:   make tools && $(BIN)/flask db seed'
	@echo '  see the sent mails:    ls var/mail'
	@echo
	@exec $(BIN)/gunicorn -c config/gunicorn.py 'wsgi:create_app()'

test: .venv/tested  ## Run the whole suite, which needs only Python; `make test F=files` runs tests/files
	@test -d 'tests/$(F)' || { echo 'make test: there is no folder tests/$(F)' >&2; exit 2; }
	@APP_ENV=testing $(BIN)/python -m pytest -n auto -p no:schemathesis -m 'not servers' -q $(if $(COVERAGE),--cov --cov-report=) $(if $(F),'tests/$(F)')

sure: .venv/tested  ## Run all checks that must pass before a merge; failures are repeated at the end
	@$(BIN)/python -m tests.all_checks

checks: .venv/tested  ## Run the checks of `make sure` without the tests
	@$(BIN)/python -m tests.all_checks types format lint sentences contracts documents migrations

format: .venv/tested
	@$(BIN)/ruff format --check --quiet . && echo 'Format: ok'

lint: .venv/tested
	@$(BIN)/ruff check --quiet . && echo 'Lint: ok'

# The variable keeps pyright from querying PyPI for a newer version.
types: .venv/tested
	@$(BIN)/mypy
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

sentences: .venv/tested  ## Check the sentences of changed files; `make sentences F='README.md Makefile'` checks files
	@$(BIN)/python -m tests.sentences $(F)

contracts: .venv/tested
	@output=$$($(BIN)/lint-imports --no-cache) && printf '%s\n' "$$output" | grep -E 'KEPT|Contracts:' \
		|| { printf '%s\n' "$$output"; exit 1; }

documents: .venv/tested  ## Check the generated documents in docs/features; `make documents WRITE=1` writes them
	@APP_ENV=testing $(BIN)/flask api $(if $(WRITE),write,check)

migrations: .venv/tested  ## Run all migrations on an empty SQLite database, and check that they are safe
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		export APP_ENV=development DATABASE_URL="sqlite:///$$folder/empty.sqlite" && \
		$(BIN)/flask db upgrade && $(BIN)/flask db check && echo 'Migrations: ok'

coverage: .venv/tested  ## Run the suite, and fail if it executes less than 95 % of the code
	@rm -f .coverage .coverage.*
	@$(MAKE) --no-print-directory test COVERAGE=1

bench: .venv/tested  ## Measure ratios against a naive reference, on PostgreSQL
	@$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/tested  ## Run the long tests: 20,000 generated requests, workers killed at work, removed features
	@$(MAKE) --no-print-directory coverage
	@test ! -d project/auth || FUZZ_EXAMPLES=200 $(BIN)/python -m pytest -q -s -m servers \
	    tests/servers/test_openapi_fuzz.py
	@SOAK=1 $(BIN)/python -m pytest -q -s -m servers tests/reliability
	@test ! -d project/files || SOAK=1 $(BIN)/python -m pytest -q -s tests/files/test_model.py \
	    tests/integration/test_interrupted_writes.py \
	    tests/servers/test_s3.py::TestInterruptedWrites
	@$(BIN)/python -m pytest -q -s tests/integration/generated_features.py
	@test ! -d project/files || $(BIN)/python -m tests.http_lint
	@$(BIN)/python -m tests.removals
	@$(BIN)/python -m tests.previous_release
	@$(BIN)/python -m tests.newer_postgresql
	@test ! -f tests/clients/__main__.py || $(BIN)/python -m tests.clients
	@$(BIN)/python -m tests.other_pythons

mutants: .venv/tested  ## Break the code for each row of docs/asvs.md, and check that its tests fail
	@$(BIN)/python -m tests.asvs.run_mutants $(ROW)

# The program reads NAME and TITLE from its environment: a title may have characters of the shell.
rename: .venv/installed .env  ## Give the project another name: `make rename NAME=acme TITLE='Acme API'`
	@$(BIN)/python -m tests.rename_project
	@$(MAKE) --no-print-directory --silent .venv/installed
	@APP_ENV=testing $(BIN)/flask api write >/dev/null
	@git status --short

lock:  ## Pin all dependencies again, with hashes and without host names
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -q requirements/app.in -o requirements/app.txt
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -q -c requirements/app.txt requirements/app.in requirements/dev.in -o requirements/dev.txt
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade -q requirements/clients.in -o requirements/clients.txt
