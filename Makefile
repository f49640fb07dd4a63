# `make` alone lists what there is. PYTHON names the Python that makes .venv, and makes it again
# where another one did.
PYTHON ?= python3
VENV := .venv/bin/python

# Settings are production's unless told otherwise, and checks must not need a server.
PRODUCTION := BOOKINGSITE_ENV=production ALLOWED_HOSTS=bookings.example \
	SECRET_KEY=for-checks-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ \
	MONGODB_URI=mongodb://127.0.0.1:1/ REDIS_URL=redis://127.0.0.1:1/0 \
	SITE_URL=https://bookings.example EMAIL_HOST=127.0.0.1 EMAIL_FROM=bookings@bookings.example \
	DJANGO_SETTINGS_MODULE=bookingsite.settings

.PHONY: help run test check messages docs checkov lock version release

help:
	@echo 'make run     run the site on 127.0.0.1 (PORT, MONGO_PORT, REDIS_PORT, MONGODB_URI, REDIS_URL)'
	@echo 'make test    run the tests against real servers (SLOW=1 for all of them, PYTHON, PYTEST_ARGS, ROUNDS)'
	@echo 'make check   lint, types, layers, deployment settings, migrations, API schema'
	@echo 'make messages bring locale/ in step with the texts of pages and letters'
	@echo 'make docs    build docs/ into a site for a browser, in var/docs'
	@echo 'make lock    write requirements*.txt from requirements*.in (LOCK_ARGS, such as --upgrade)'
	@echo 'make checkov install the policy linter of the manifests, which make test then uses'
	@echo 'make version write the version of bookingsite/__init__.py wherever it is repeated'
	@echo 'make release check that this commit can be released, and print what is left to do'

run:
	@exec $(PYTHON) -m local.preflight run

# By worksteal each worker begins with one half of the files and keeps them whole, so that the servers
# and sites which the tests of a file share start once.
test:
	@$(PYTHON) -m local.preflight test
	@$(VENV) -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

check:
	@$(PYTHON) -m local.preflight check
	@$(VENV) -m ruff check
	@$(VENV) -m ruff format --check
	@$(PRODUCTION) BOOKINGSITE_ENV=development $(VENV) -m mypy bookingsite bookings idempotency locks local
	@$(VENV) .venv/bin/lint-imports
	@$(PRODUCTION) $(VENV) manage.py check --deploy --fail-level WARNING
	@$(PRODUCTION) $(VENV) manage.py makemigrations --check --dry-run \
		--settings local.settings_without_database
	@$(PRODUCTION) $(VENV) manage.py spectacular --validate --fail-on-warn --file /dev/null

messages:
	@$(PYTHON) -m local.preflight check
	@$(VENV) -m tests.translations

# Strict: what Sphinx warns of, such as a link or a heading that is not there, fails.
docs: .venv.docs/stamp
	@.venv.docs/bin/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env \
		-c docs -d var/docs-cache . var/docs
	@echo 'Open var/docs/index.html.'

checkov: .venv.checkov/stamp

version:
	@$(PYTHON) -m local.release version

release: check
	@$(PYTHON) -m local.release release

# What is locked already stays at its version unless LOCK_ARGS says otherwise. For every platform and
# for every Python from the oldest one on; no address of an index is written.
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
