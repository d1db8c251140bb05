"""What is exposed, followed through an expression: what the check of every panel, rule and alert stands on."""

import promql_parser
import pytest

from tests.support.promql import Exposed, Unknown, labels_of

EXPOSED: Exposed = {
    "ended_total": frozenset({"algorithm", "result", "job"}),
    "seconds_bucket": frozenset({"algorithm", "le", "job"}),
    "state": frozenset({"vm", "node"}),
    "owner": frozenset({"vm", "node", "job"}),
    "size": frozenset({"node", "zone"}),
}


@pytest.mark.parametrize(
    ("expr", "labels"),
    [
        ("state", {"vm", "node"}),
        ("sum(state)", set()),
        ("sum by (vm) (state) > 1", {"vm"}),
        ("sum without (vm) (state)", {"node"}),
        ("topk(2, state)", {"vm", "node"}),
        ('sum by (algorithm) (rate(ended_total{result="failed"}[1m]))', {"algorithm"}),
        ("histogram_quantile(0.5, sum by (algorithm, le) (rate(seconds_bucket[5m]))) >= 0", {"algorithm"}),
        ("state unless on (vm, node) owner == 1", {"vm", "node"}),
        ("state * on (node) group_left (zone) size", {"vm", "node", "zone"}),
        ("state - on (vm) owner", {"vm"}),
        ("sum by (vm) (state) / sum by (vm) (owner)", {"vm"}),
        ("-(max_over_time(sum by (vm) (state)[5m:10s])) * 2", {"vm"}),
        ("state or 0 * owner", {"vm", "node", "job"}),
        ("count(state == 0) or vector(0)", set()),
    ],
)
def test_the_labels_of_a_result(expr: str, labels: set[str]) -> None:
    assert labels_of(promql_parser.parse(expr), EXPOSED) == labels


def test_a_number_has_none() -> None:
    assert labels_of(promql_parser.parse("time() / 2"), EXPOSED) is None


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        ("sum(rate(ended[1m]))", "nothing exposes the metric ended"),
        ('state{name="a"}', "no label name"),
        ("sum by (algorithm) (state)", "no label algorithm"),
        ("sum by (result) (sum by (algorithm) (ended_total))", "no label result"),
        ("histogram_quantile(0.5, sum by (algorithm) (seconds_bucket))", "no label le"),
        ("state and on (zone) size", "no label zone"),
        ("state * on (node) group_left (job) size", "no label job"),
        ("state / owner", "never match"),
        ("vector(0) + absent(nowhere)", "nothing exposes the metric nowhere"),
    ],
)
def test_a_name_that_nothing_exposes_is_found(expr: str, said: str) -> None:
    with pytest.raises(Unknown, match=said):
        labels_of(promql_parser.parse(expr), EXPOSED)
