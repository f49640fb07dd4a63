"""What the site itself counted in a run, from its metrics: work that guards spare."""

from __future__ import annotations

import urllib.request
from collections import defaultdict
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

# The names that guards and reports use, by the samples that they add up.
WASTED_WRITES = "wasted writes"
READS = "reads of callers and catalogue"
CLAIM_S = "seconds in claims"
BOOKINGS = "bookings made"

# What is found in the way of a write that was tried in vain.
IN_VAIN = ("taken", "gone", "twin", "stale", "overtaken")


def count(urls: Iterable[str]) -> dict[str, float]:
    """Adds up what these web servers have counted. Their processes add up by themselves."""
    counted: dict[str, float] = defaultdict(float)
    for url in urls:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                counted[_name_of(sample.name, sample.labels)] += sample.value
    counted.pop("", None)
    return counted


def _name_of(name: str, labels: dict[str, str]) -> str:
    match name.removeprefix("bookingsite_"):
        case "conflicts_total" if labels["cause"] in IN_VAIN:
            return WASTED_WRITES
        case "transaction_retries_total":
            return WASTED_WRITES
        case "recent_reads_total" if labels["result"] == "miss":
            return READS
        case "step_duration_seconds_sum" if labels["step"] == "claim":
            return CLAIM_S
        case "outcomes_total" if (labels["operation"], labels["code"], labels["replayed"]) == (
            "create",
            "success",
            "false",
        ):
            return BOOKINGS
    return ""
