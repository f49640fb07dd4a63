"""The alerts of the cluster name objects of the manifests, and metrics that a cluster exports."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.manifests.conftest import ROOT
from tests.manifests.objects import Object, of_kind
from tests.promql import Exported, faults, nodes_of, promql

OBSERVABILITY = ROOT / "observability"
README = (ROOT / "k8s" / "readme.md").read_text(encoding="utf-8")


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((OBSERVABILITY / name).read_text(encoding="utf-8"))


ALERTS = [rule for group in read("kubernetes.yml")["groups"] for rule in group["rules"]]
CASES = read("kubernetes_test.yml")["tests"]


def exported_of(objects: list[Object]) -> Exported:
    """Returns what a cluster exports of these objects, with the labels that the alerts use.

    https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics/workload and
    https://kubernetes.io/docs/reference/instrumentation/metrics/
    """
    [namespace] = [item["metadata"]["name"] for item in of_kind(objects, "Namespace")]
    kinds = {
        "statefulset": of_kind(objects, "StatefulSet"),
        "deployment": of_kind(objects, "Deployment"),
        "cronjob": of_kind(objects, "CronJob"),
        "job_name": of_kind(objects, "Job"),
    }
    names = {kind: {item["metadata"]["name"] for item in found} for kind, found in kinds.items()}
    # A CronJob's Jobs have its name and the minute at which they were due.
    names["job_name"] |= {f"{name}-29900417" for name in names["cronjob"]}
    names["persistentvolumeclaim"] = claims_of(objects)
    return {
        metric: {"namespace": {namespace}, label: names[label], **more}
        for metric, label, more in (
            ("kube_statefulset_replicas", "statefulset", {}),
            ("kube_statefulset_status_replicas_ready", "statefulset", {}),
            ("kube_deployment_spec_replicas", "deployment", {}),
            ("kube_deployment_status_replicas_ready", "deployment", {}),
            ("kube_job_failed", "job_name", {"condition": {"true", "false", "unknown"}}),
            ("kube_job_status_active", "job_name", {}),
            ("kube_job_status_start_time", "job_name", {}),
            ("kube_job_status_completion_time", "job_name", {}),
            ("kube_cronjob_created", "cronjob", {}),
            ("kube_cronjob_status_last_successful_time", "cronjob", {}),
            ("kubelet_volume_stats_available_bytes", "persistentvolumeclaim", {}),
            ("kubelet_volume_stats_capacity_bytes", "persistentvolumeclaim", {}),
        )
    }


def claims_of(objects: list[Object]) -> set[str]:
    return {item["metadata"]["name"] for item in of_kind(objects, "PersistentVolumeClaim")} | {
        f"{template['metadata']['name']}-{item['metadata']['name']}-{number}"
        for item in of_kind(objects, "StatefulSet")
        for template in item["spec"].get("volumeClaimTemplates", ())
        for number in range(item["spec"]["replicas"])
    }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alerts_of_what_a_cluster_exports(alert: dict[str, Any], objects: list[Object]) -> None:
    assert faults(alert["expr"], exported_of(objects)) == []


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alerts_of_the_sites_own_namespace(alert: dict[str, Any]) -> None:
    for node in nodes_of(promql.parse(alert["expr"])):
        if isinstance(node, promql.VectorSelector):
            assert "namespace" in {matcher.name for matcher in node.matchers.matchers}, node.name


def test_misses_every_cron_job_that_does_not_run(objects: list[Object]) -> None:
    [alert] = [alert for alert in ALERTS if alert["alert"] == "BookingsiteCronJobLate"]

    assert set(re.findall(r'cronjob="(\w+)"', alert["expr"])) == {
        item["metadata"]["name"] for item in of_kind(objects, "CronJob")
    }


def test_explains_every_alert_of_the_cluster_and_no_other() -> None:
    section = README.split("\n### Alerts of the cluster\n")[1].split("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [
        rule["alert"] for rule in ALERTS
    ]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_leads_to_a_page_that_is_there(alert: dict[str, Any]) -> None:
    page, _, anchor = alert["annotations"]["runbook"].partition("#")

    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_tests_that_each_fires_for_this_namespace_and_not_when_all_is_well() -> None:
    fired = {
        check["alertname"]
        for case in CASES
        if any('namespace="other"' in row["series"] for row in case["input_series"])
        for check in case["alert_rule_test"]
        if {alert["exp_labels"]["namespace"] for alert in check["exp_alerts"]} == {"bookingapp"}
    }
    [well] = [case for case in CASES if case["name"] == "all is well"]

    assert fired == {alert["alert"] for alert in ALERTS}
    assert {check["alertname"] for check in well["alert_rule_test"]} == fired


def test_shows_no_expression_that_is_not_tested() -> None:
    """No test would check expressions in the readme; they belong to observability/."""
    assert "```promql" not in README
