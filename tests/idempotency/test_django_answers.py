"""The store of docs/idempotency/stores.md with Django's models, in a project with SQLite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.redis]

PAGE = ROOT / "docs" / "idempotency" / "stores.md"

CASES = """
import os
from datetime import timedelta
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.db import connection, models
from django.db.models.functions import Now
from redis import Redis

pytest.register_assert_rewrite("idempotency.conformance")
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(__file__).parent / "shop.db",
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 10},
        }
    },
    INSTALLED_APPS=["shop"],
    USE_TZ=True,
)
django.setup()

from idempotency.conformance import StoreConformance, Subject
from shop.answers import DjangoAnswers
from shop.models import KeptAnswer


class Voucher(models.Model):
    class Meta:
        app_label = "shop"


with connection.schema_editor() as editor:
    editor.create_model(KeptAnswer)
    editor.create_model(Voucher)


def expire():
    KeptAnswer.objects.exclude(until=None).update(until=Now() - timedelta(days=1))


class TestDjangoAnswers(StoreConformance):
    @pytest.fixture
    def redis_client(self):
        with Redis.from_url(os.environ["REDIS_URL"], socket_timeout=5) as client:
            yield client

    @pytest.fixture
    def subject(self):
        KeptAnswer.objects.all().delete()
        Voucher.objects.all().delete()
        return Subject(
            store=DjangoAnswers(),
            effect=lambda request, answer: Voucher.objects.create(),
            count_effects=Voucher.objects.count,
            expire_answers=expire,
        )
"""


def run_cases(folder: Path, store: str) -> subprocess.CompletedProcess[str]:
    """Runs the suite in a project whose store this is."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    [model, _] = [block for block in blocks if "from django" in block]
    shop = folder / "shop"
    shop.mkdir()
    for name, text in (("__init__", ""), ("models", model), ("answers", store)):
        (shop / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "test_cases.py").write_text(CASES, encoding="utf-8")
    environ = {name: text for name, text in os.environ.items() if "DJANGO" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env={**environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture
def store() -> str:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    [_, store] = [block for block in blocks if "from django" in block]
    return str(store)


def test_passes_the_suite(store: str, tmp_path: Path) -> None:
    done = run_cases(tmp_path, store)

    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d{2,} passed", done.stdout, re.MULTILINE), done.stdout


def test_would_fail_with_an_upsert(store: str, tmp_path: Path) -> None:
    """As the page warns."""
    insert = "KeptAnswer.objects.create(digest=digest, until=until)"
    upsert = 'KeptAnswer.objects.update_or_create(digest=digest, defaults={"until": until})'
    assert insert in store

    done = run_cases(tmp_path, store.replace(insert, upsert))

    assert done.returncode == 1, done.stdout
    assert re.search(r"^\d+ failed, \d{2,} passed", done.stdout, re.MULTILINE), done.stdout
    assert "test_writes_one_of_two_answers" in done.stdout
