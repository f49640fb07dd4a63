"""The OpenAPI description is true, according to a fuzzer that read it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bookings.infrastructure import connections
from bookings.refusals import Refusal
from tests.conftest import night
from tests.site import ROOT, Site

pytestmark = pytest.mark.site

# Enough to reach every operation's every parameter in CI; ROUNDS asks for more.
EXAMPLES = 40


@pytest.mark.slow
def test_describes_every_answer_a_fuzzer_can_get(site: Site, tmp_path: Path, rounds: int) -> None:
    ids = [
        site.book(f"own-{number}", resourceId="room_A", date=night(310 + number), hold=True).json()[
            "booking"
        ]["id"]
        for number in range(4)
    ]

    run = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli",
            "--config-file", str(Path(__file__).with_name("schemathesis.toml")),
            "run", f"{site.url}/api/schema",
            "--url", site.url,
            "--header", f"Authorization: Bearer {site.token}",
            "--checks", "all",
            # Whether a booking is possible depends on the catalogue and the calendar as well.
            "--exclude-checks", "positive_data_acceptance",
            "--max-examples", str(EXAMPLES * rounds),
            "--request-timeout", "15",
            "--generation-database", "none",
            "--no-color",
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.api.fuzz_hooks",
            "FUZZ_BOOKING_IDS": ",".join(ids),
        },
        capture_output=True,
        text=True,
        timeout=600,
    )  # fmt: skip

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    # It got past the checks of the input: some of its requests did book.
    assert connections.collection("bookings").count_documents({}) > len(ids)


def test_names_every_refusal_of_its_operations(site: Site) -> None:
    description = site.get("/api/schema").text

    missing = [
        refusal.code for refusal in Refusal.__subclasses__() if refusal.code not in description
    ]

    # No described method is unknown, and only the pages ask guests for an address.
    assert sorted(missing) == ["EMAIL_NEEDED", "METHOD_NOT_ALLOWED"]


@pytest.mark.parametrize(
    ("query", "headers"),
    [("date=" + "9" * 4100, {}), ("", {"X-Long": "9" * 9000})],
    ids=["long address", "long header"],
)
def test_describes_what_the_server_refuses_by_itself(
    site: Site, query: str, headers: dict[str, str]
) -> None:
    answer = site.get(f"/api/bookings?{query}", headers=headers)

    paths = site.get("/api/schema?format=json").json()["paths"]
    operations = [
        operation
        for path, methods in paths.items()
        if not path.startswith(("/api/health", "/api/ready"))
        for operation in methods.values()
    ]
    assert answer.json()["code"] == "UNREADABLE_REQUEST"
    assert len(operations) > 5
    assert all(str(answer.status_code) in operation["responses"] for operation in operations)


def test_leads_from_the_type_of_a_problem_to_the_documentation(site: Site) -> None:
    problem = site.get("/api/bookings/none").json()

    page = site.get(problem["type"].partition("#")[0], token="")

    assert page.status_code == 200
    assert "swagger" in page.text.lower()


def test_shows_its_documentation_without_another_host(site: Site) -> None:
    page = site.get("/api/docs", token="").text

    assert "swagger-ui" in page
    assert "https://" not in page.replace("https://www.w3.org", "")
