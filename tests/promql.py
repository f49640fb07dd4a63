"""Finds faults in a PromQL expression, given the metrics that the site exports.

To Prometheus, a wrong name or label is no error: the expression finds nothing, so a graph stays
empty and an alert silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

# For each sample, its labels with the values they had.
Exported = dict[str, dict[str, set[str]]]

# Labels that Prometheus adds to everything it scrapes.
OF_TARGET = {"instance", "job"}


def read_exported(text: str) -> Exported:
    """Returns the names, labels and values in an answer of `/metrics`."""
    exported: Exported = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = exported.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return exported


def faults(expression: str, exported: Exported, *, shown: Iterable[str] = ()) -> list[str]:
    """Returns the parts of the expression that find nothing; `shown` are its legend's labels."""
    # Grafana puts a range in here.
    tree = promql.parse(expression.replace("$__rate_interval", "5m"))
    found: list[str] = []
    for node in nodes_of(tree):
        if isinstance(node, promql.VectorSelector):
            found += faults_of_selector(node, exported)
        elif isinstance(node, promql.AggregateExpr) and node.modifier:
            found += missing_labels(node.modifier.labels, node.expr, exported)
        elif isinstance(node, promql.BinaryExpr) and node.modifier and node.modifier.matching:
            for side in (node.lhs, node.rhs):
                found += missing_labels(node.modifier.matching.labels, side, exported)
        elif isinstance(node, promql.Call) and node.func.name == "histogram_quantile":
            found += faults_of_quantile(node)
    return found + [
        f"the legend names {label}, which is not grouped by"
        for label in shown
        if label not in grouped_by(tree)
    ]


def nodes_of(tree: promql.Expr) -> Iterator[promql.Expr]:
    seen: list[promql.Expr] = []
    promql.walk(tree, lambda node: seen.append(node))
    yield from seen


def faults_of_selector(node: promql.VectorSelector, exported: Exported) -> Iterator[str]:
    if node.name not in exported:
        yield f"{node.name} is not exported"
        return
    labels = exported[node.name]
    for matcher in node.matchers.matchers:
        if matcher.name in OF_TARGET:
            continue
        if matcher.name not in labels:
            yield f"{node.name} has no label {matcher.name}"
        elif not any(finds(matcher, value) for value in labels[matcher.name]):
            yield f"{node.name} never has {matcher.name} {matcher.value}"


def finds(matcher: promql.Matcher, value: str) -> bool:
    """Whether this is the value that the matcher names, even if only to exclude it."""
    if matcher.op in (promql.MatchOp.Re, promql.MatchOp.NotRe):
        return re.fullmatch(matcher.value, value) is not None
    return matcher.value == value


def missing_labels(labels: list[str], tree: promql.Expr, exported: Exported) -> Iterator[str]:
    """Returns the labels that one of its metrics does not have."""
    for node in nodes_of(tree):
        if isinstance(node, promql.VectorSelector) and node.name in exported:
            for label in labels:
                if label not in exported[node.name] and label not in OF_TARGET:
                    yield f"{node.name} has no label {label}"


def faults_of_quantile(node: promql.Call) -> Iterator[str]:
    """A quantile needs buckets, and the label that distinguishes them."""
    if "le" not in grouped_by(node):
        yield "histogram_quantile needs le"
    for inner in nodes_of(node):
        if isinstance(inner, promql.VectorSelector) and not str(inner.name).endswith("_bucket"):
            yield f"histogram_quantile of {inner.name}, which has no buckets"


def grouped_by(tree: promql.Expr) -> set[str]:
    return {
        label
        for node in nodes_of(tree)
        if isinstance(node, promql.AggregateExpr) and node.modifier
        for label in node.modifier.labels
    }
