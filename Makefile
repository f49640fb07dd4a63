# `make` alone lists the commands. PYTHON names the Python for .venv, which is made again if another
# Python made it.
PYTHON ?= python3
VENV := .venv/bin/python

# Settings are production's by default, and checks must not need a server.
PRODUCTION := BOOKINGSITE_ENV=production ALLOWED_HOSTS=bookings.example \
	SECRET_KEY=for-checks-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ \
	MONGODB_URI=mongodb://127.0.0.1:1/ REDIS_URL=redis://127.0.0.1:1/0 \
	SITE_URL=https://bookings.example EMAIL_HOST=127.0.0.1 EMAIL_FROM=bookings@bookings.example \
	DJANGO_SETTINGS_MODULE=bookingsite.settings

.PHONY: help run test bench torture check messages docs wheels checkov lock version release

help:
	@echo 'make run     run the site on 127.0.0.1 (PORT, MONGO_PORT, REDIS_PORT, MONGODB_URI, REDIS_URL;'
	@echo '             DEMO=0 starts empty, for a hotel of your own)'
	@echo 'make test    run the tests against real servers (SLOW=1 for all tests, PYTHON, PYTEST_ARGS, ROUNDS)'
	@echo 'make check   lint, types, layers, deployment settings, migrations, API schema'
	@echo 'make bench   measure the site (PEER_COMMAND, BASELINE, COMPARE, BOOKINGS, SCENARIOS, ROUNDS, SECONDS)'
	@echo 'make torture break the real site in many ways and check what it promised (SEED, MINUTES, FAULTS, CLIENTS,'
	@echo '             VARIANT, WITHOUT, RELEASE_BEFORE, OUT)'
	@echo 'make messages update locale/ from the texts of pages and letters'
	@echo 'make docs    build docs/ into a website, in var/docs'
	@echo 'make wheels  build idempotency and locks for other projects, in var/wheels'
	@echo 'make lock    write requirements*.txt from requirements*.in (LOCK_ARGS, such as --upgrade)'
	@echo 'make checkov install the policy linter for the manifests, which make test then uses'
	@echo 'make version copy the version from bookingsite/__init__.py to the files that repeat it'
	@echo 'make release check that this commit can be released, and print the steps that are left'

run:
	@exec $(PYTHON) -m local.preflight run

# With worksteal each worker starts with one half of the files and keeps each file whole, so that
# servers and sites shared by a file's tests start once. Three workers keep two processors busy while
# tests wait for servers and browsers.
test:
	@$(PYTHON) -m local.preflight test
	@$(VENV) -m pytest -n 3 --dist worksteal $(PYTEST_ARGS)

# bench/load/__main__.py explains the variables.
bench:
	@$(PYTHON) -m local.preflight check
	@$(VENV) -m bench.load

# docs/development.md explains the variables.
torture:
	@$(PYTHON) -m local.preflight check
	@$(VENV) -m torture

check:
	@$(PYTHON) -m local.preflight check
	@$(VENV) -m ruff check
	@$(VENV) -m ruff format --check
	@$(PRODUCTION) BOOKINGSITE_ENV=development $(VENV) -m mypy bookingsite bookings idempotency locks local \
		torture
	@$(VENV) .venv/bin/lint-imports
	@$(PRODUCTION) $(VENV) manage.py check --deploy --fail-level WARNING
	@$(PRODUCTION) $(VENV) manage.py makemigrations --check --dry-run \
		--settings local.settings_without_database
	@$(PRODUCTION) $(VENV) manage.py spectacular --validate --fail-on-warn --file /dev/null

messages:
	@$(PYTHON) -m local.preflight check
	@$(VENV) -m tests.translations

# Strict: any warning of Sphinx, such as about a missing link target or heading, is a failure.
docs: .venv.docs/stamp
	@.venv.docs/bin/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env \
		-c docs -d var/docs-cache . var/docs
	@echo 'Open var/docs/index.html.'

wheels:
	@$(PYTHON) -m local.preflight check
	@$(VENV) -m local.wheels

checkov: .venv.checkov/stamp

version:
	@$(PYTHON) -m local.release version

release: check
	@$(PYTHON) -m local.release release

# Packages keep their locked versions unless LOCK_ARGS says otherwise. The locks fit every platform and
# every Python from the oldest supported one, and contain no address of a package index.
LOCK := .venv.lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(LOCK_ARGS)

lock: .venv.lock/stamp
	@$(LOCK) requirements.in --output-file requirements.txt
	@$(LOCK) requirements-local.in --constraints requirements.txt --output-file requirements-local.txt
	@$(LOCK) requirements-dev.in --constraints requirements.txt --constraints requirements-local.txt \
		--output-file requirements-dev.txt
	@$(LOCK) requirements-checkov.in --output-file requirements-checkov.txt
	@$(LOCK) requirements-docs.in --output-file requirements-docs.txt
	@$(LOCK) requirements-lock.in --output-file requirements-lock.txt

.venv.%/stamp: requirements-%.txt
	@$(PYTHON) -m venv --clear .venv.$*
	@.venv.$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@cp $< $@
