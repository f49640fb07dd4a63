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

.PHONY: help run test check messages checkov

help:
	@echo 'make run     run the site on 127.0.0.1 (PORT, MONGO_PORT, REDIS_PORT, MONGODB_URI, REDIS_URL)'
	@echo 'make test    run the tests against real servers (PYTHON, PYTEST_ARGS, SLOW=0, ROUNDS)'
	@echo 'make check   lint, types, layers, deployment settings, migrations, API schema'
	@echo 'make messages bring locale/ in step with the texts of pages and letters'
	@echo 'make checkov install the policy linter of the manifests, which make test then uses'

run:
	@exec $(PYTHON) -m local.preflight run

test:
	@$(PYTHON) -m local.preflight test
	@$(VENV) -m pytest -n 2 $(PYTEST_ARGS)

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
	@$(VENV) -m tests.catalogue

checkov: .venv.checkov/stamp

.venv.checkov/stamp: requirements-checkov.txt
	@$(PYTHON) -m venv --clear .venv.checkov
	@.venv.checkov/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@cp $< $@
