"""The check of expressions finds each kind of mistake, and no others."""

from __future__ import annotations

import pytest

from tests.promql import faults, read_exported

EXPORTED = read_exported("""
# TYPE site_requests counter
site_requests_total{route="a/b",status="200"} 3
site_requests_total{route="c",status="503"} 1
# TYPE site_took_seconds histogram
site_took_seconds_bucket{route="c",le="1.0"} 1
site_took_seconds_bucket{route="c",le="+Inf"} 1
site_took_seconds_sum{route="c"} 0.5
site_took_seconds_count{route="c"} 1
# TYPE site_up gauge
site_up 1
""")


@pytest.mark.parametrize(
    "expression",
    [
        'sum by (route, instance) (rate(site_requests_total{status=~"5..",job="x"}[5m]))',
        "histogram_quantile(0.9, sum by (le) (rate(site_took_seconds_bucket[$__rate_interval])))",
        "rate(site_took_seconds_sum[5m]) / rate(site_took_seconds_count[5m])",
        "site_requests_total / on (route) group_left () site_took_seconds_count",
        'absent(site_up) or min(site_up) == 0 and site_requests_total{route!="c"} > 1',
        "sum without (route) (max_over_time(site_requests_total[10m:1m]))",
    ],
)
def test_finds_nothing_wrong_with_what_is_right(expression: str) -> None:
    assert faults(expression, EXPORTED) == []


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("site_request_total", "site_request_total is not exported"),
        ("site_requests", "site_requests is not exported"),
        ("site_took_seconds", "site_took_seconds is not exported"),
        ("rate(site_up[5m]) / rate(up[5m])", "up is not exported"),
        ('site_requests_total{code="200"}', "site_requests_total has no label code"),
        ('site_requests_total{status="404"}', "site_requests_total never has status 404"),
        ('site_requests_total{status!="404"}', "site_requests_total never has status 404"),
        ('site_requests_total{status=~"4.."}', "site_requests_total never has status 4.."),
        ('site_requests_total{route=~"a"}', "site_requests_total never has route a"),
        ("sum by (method) (site_requests_total)", "site_requests_total has no label method"),
        ("sum(site_requests_total) by (method)", "site_requests_total has no label method"),
        ("sum without (le) (site_took_seconds_sum)", "site_took_seconds_sum has no label le"),
        (
            "site_requests_total / on (status) site_took_seconds_count",
            "site_took_seconds_count has no label status",
        ),
        (
            "histogram_quantile(0.9, sum by (route) (rate(site_took_seconds_bucket[5m])))",
            "histogram_quantile needs le",
        ),
    ],
)
def test_finds_what_would_find_nothing(expression: str, fault: str) -> None:
    assert faults(expression, EXPORTED) == [fault]


def test_finds_a_quantile_of_something_without_buckets() -> None:
    expression = "histogram_quantile(0.9, sum by (le) (rate(site_took_seconds_sum[5m])))"

    assert "histogram_quantile of site_took_seconds_sum, which has no buckets" in faults(
        expression, EXPORTED
    )


def test_finds_a_legend_that_names_what_was_summed_up() -> None:
    expression = "sum by (route) (rate(site_requests_total[5m]))"

    assert faults(expression, EXPORTED, shown=["route"]) == []
    assert faults(expression, EXPORTED, shown=["status"]) != []


def test_refuses_what_cannot_be_parsed() -> None:
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        faults("sum(site_up", EXPORTED)
