"""The dashboard, the alerts and the documents name metrics of a real site, after real traffic."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bookings.operations import sweep
from tests.conftest import empty_database, night
from tests.promql import Exported, faults, nodes_of, promql, read_exported
from tests.servers import start_redis_in_memory, start_throwaway
from tests.site import ROOT, start_site
from tests.site_fixtures import issue_token

pytestmark = pytest.mark.site

OBSERVABILITY = ROOT / "observability"
DASHBOARD = json.loads((OBSERVABILITY / "dashboard.json").read_text(encoding="utf-8"))
OPERATIONS = ROOT / "docs" / "operations"

PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def read_alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = read_alerts()


@pytest.fixture(scope="module")
def scraped(
    migrated: None, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The answer of a site that has booked, refused, lost its Redis, and been swept."""
    folder = tmp_path_factory.mktemp("observed")
    empty_database()
    redis = start_throwaway(start_redis_in_memory, folder / "redis")
    site = start_site({**environment, "REDIS_URL": redis.uri}, folder)
    site.token = issue_token("observed")
    try:
        made = site.book("key", userId="ada", resourceId="room_A", date=night(), hold=True)
        booking = f"/api/bookings/{made.json()['booking']['id']}"
        for _ in range(2):
            assert site.post(f"{booking}/confirm", key="key").status_code == 200
        assert (
            site.book("other", userId="bob", resourceId="room_A", date=night()).status_code == 409
        )
        assert site.get("/api/ready").status_code == 200
        redis.kill()
        assert site.get("/api/health-redis").status_code == 503
        sweep.expire_holds(started_by="beat")
        yield site.get("/metrics", token="").text
    finally:
        site.stop()
        redis.kill()


@pytest.fixture(scope="module")
def exported(scraped: str) -> Exported:
    # Prometheus itself adds whether a target answered.
    return {**read_exported(scraped), "up": {}}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_shows_what_the_site_exports(panel: dict[str, Any], exported: Exported) -> None:
    for target in panel["targets"]:
        shown = re.findall(r"{{(\w+)}}", target["legendFormat"])
        assert faults(target["expr"], exported, shown=shown) == []


def test_shows_everything_that_the_site_exports(scraped: str) -> None:
    shown = {
        str(node.name)
        for panel in PANELS
        for target in panel["targets"]
        for node in nodes_of(promql.parse(target["expr"].replace("$__rate_interval", "5m")))
        if isinstance(node, promql.VectorSelector)
    }

    families = [
        {sample.name for sample in family.samples}
        for family in text_string_to_metric_families(scraped)
    ]
    assert [names for names in families if not names & shown] == []


def test_can_be_imported_into_any_grafana() -> None:
    """Nothing in it belongs to one Grafana alone: no id, and no name of a data source."""
    assert DASHBOARD.get("id") is None
    prometheus, job = DASHBOARD["templating"]["list"]
    assert (prometheus["type"], prometheus["query"]) == ("datasource", "prometheus")
    source = {"type": "prometheus", "uid": f"${{{prometheus['name']}}}"}
    assert job["datasource"] == source
    for panel in PANELS:
        assert [panel["datasource"], *(t["datasource"] for t in panel["targets"])] == [source] * (
            1 + len(panel["targets"])
        )
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_asks_which_of_the_sites_to_show(exported: Exported) -> None:
    _, job = DASHBOARD["templating"]["list"]

    assert (job["name"], job["type"]) == ("job", "query")
    assert job["query"]["query"] == "label_values(bookingsite_build_info, job)"
    assert "bookingsite_build_info" in exported
    assert job["multi"]
    assert job["includeAll"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_shows_each_site_by_itself(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert "{{job}}" in target["legendFormat"]
        nodes = list(nodes_of(promql.parse(target["expr"].replace("$__rate_interval", "5m"))))
        assert_is_by_site(nodes)
        for node in nodes:
            if isinstance(node, promql.VectorSelector):
                matchers = [(m.name, m.op, m.value) for m in node.matchers.matchers]
                assert ("job", promql.MatchOp.Re, "$job") in matchers


def assert_is_by_site(nodes: list[promql.Expr]) -> None:
    """No expression adds up or compares the series of several sites."""
    for node in nodes:
        if isinstance(node, promql.AggregateExpr):
            assert node.modifier
            assert "job" in node.modifier.labels


def test_lays_its_panels_beside_each_other() -> None:
    squares = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(squares)) == len(squares)
    assert max(x for x, _ in squares) < 24


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alerts_of_what_the_site_exports(alert: dict[str, Any], exported: Exported) -> None:
    # Labels in an alert's text come from its expression.
    shown = re.findall(r"\$labels\.(\w+)", str(alert["annotations"]))

    assert faults(alert["expr"], exported, shown=shown) == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alerts_of_each_site_by_itself(alert: dict[str, Any]) -> None:
    assert_is_by_site(list(nodes_of(promql.parse(alert["expr"]))))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_says_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"].rstrip().endswith(".")
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor in anchors_of(ROOT / page)


def anchors_of(page: Path) -> set[str]:
    """The anchors of the page, as GitHub and GitLab name headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_explains_every_alert_and_no_other() -> None:
    page = (OPERATIONS / "alerts.md").read_text(encoding="utf-8")

    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == [rule["alert"] for rule in ALERTS]


def test_explains_every_metric_with_its_labels_and_no_other(scraped: str) -> None:
    page = (OPERATIONS / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(bookingsite_\w+)` \| (.*?) \|", page, re.MULTILINE)
    explained = {(name, frozenset(re.findall(r"`(\w+)`", labels))) for name, labels in rows}

    assert len(rows) == len(explained)
    assert explained == {
        (
            family.name if family.type == "histogram" else family.samples[0].name,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in text_string_to_metric_families(scraped)
    }


def test_names_metrics_as_prometheus_asks(scraped: str) -> None:
    """https://prometheus.io/docs/practices/naming/: a prefix, base units, `_total` for counters."""
    for family in text_string_to_metric_families(scraped):
        assert family.name.startswith("bookingsite_")
        assert family.documentation.endswith(".")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter")
        assert not re.search(r"_(ms|milliseconds|minutes|percent|kb)(_|$)", family.name)
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


def test_tests_that_each_alert_fires_and_that_it_does_not_when_all_is_well() -> None:
    cases = yaml.safe_load((OBSERVABILITY / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {
        check["alertname"]
        for case in cases
        for check in case["alert_rule_test"]
        if check["exp_alerts"]
    }
    [well] = [case for case in cases if case["name"] == "all is well"]

    assert fired == {alert["alert"] for alert in ALERTS}
    assert {check["alertname"] for check in well["alert_rule_test"]} == fired


def test_tests_that_each_alert_tells_an_ill_site_from_a_well_one() -> None:
    cases = yaml.safe_load((OBSERVABILITY / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    told_apart = {
        check["alertname"]
        for case in cases
        if any('job="well"' in row["series"] for row in case.get("input_series", []))
        for check in case["alert_rule_test"]
        if [alert["exp_labels"]["job"] for alert in check["exp_alerts"]] == ["ill"]
    }

    assert told_apart == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "alerts.yml"),
        # Half a minute of computing.
        pytest.param(("test", "alerts_test.yml"), marks=pytest.mark.slow),
        # tests/manifests/test_cluster_alerts.py checks whether these belong to our manifests.
        ("check", "kubernetes.yml"),
        pytest.param(("test", "kubernetes_test.yml"), marks=pytest.mark.slow),
    ],
)
def test_satisfies_prometheus_own_checks(arguments: tuple[str, str]) -> None:
    if shutil.which("promtool") is None:
        assert not os.environ.get("CI"), "install promtool: the alerts' own tests need it"
        pytest.skip("The alerts' own tests need promtool (Debian's package prometheus).")
    what, file = arguments

    done = subprocess.run(
        ["promtool", what, "rules", file],
        cwd=OBSERVABILITY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
