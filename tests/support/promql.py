"""Which labels the result of a PromQL expression has, and whether everything it names is there.

A metric or a label that nothing exposes makes no error in Prometheus, only an empty panel or an alert that never
fires. `labels_of` walks the parsed expression with what is exposed in hand and raises `Unknown` for the first name
that is not.
"""

from collections.abc import Mapping

import promql_parser as ast

Labels = frozenset[str]
Exposed = Mapping[str, Labels]  # of each metric, the labels that its series have, the target's included
NONE: Labels = frozenset()


class Unknown(AssertionError):
    """A name in a query that nothing exposes."""


def labels_of(expr: ast.Expr, exposed: Exposed) -> Labels | None:
    """The labels of an instant vector; None for a number or a string."""
    match expr:
        case ast.VectorSelector():
            return _selected(expr, exposed)
        case ast.MatrixSelector():
            return _selected(expr.vector_selector, exposed)
        case ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            return labels_of(expr.expr, exposed)
        case ast.AggregateExpr():
            return _aggregated(expr, exposed)
        case ast.BinaryExpr():
            return _combined(expr, exposed)
        case ast.Call():
            return _called(expr, exposed)
        case ast.NumberLiteral() | ast.StringLiteral():
            return None
    raise Unknown(f"{expr.prettify()}: of a kind that this test does not know")


def _selected(selector: ast.VectorSelector, exposed: Exposed) -> Labels:
    name = selector.name
    if name is None or name not in exposed:
        raise Unknown(f"nothing exposes the metric {name}")
    for matcher in selector.matchers.matchers:
        _there({matcher.name}, exposed[name], f"a matcher of {name}")
    return exposed[name]


def _aggregated(expr: ast.AggregateExpr, exposed: Exposed) -> Labels:
    inner = labels_of(expr.expr, exposed)
    assert inner is not None, f"{expr.prettify()} aggregates a number"
    if str(expr.op) in ("topk", "bottomk"):
        return inner
    if expr.modifier is None:
        return NONE
    named = frozenset(expr.modifier.labels)
    _there(named, inner, expr.prettify())
    return named if expr.modifier.type == ast.AggModifierType.By else inner - named


def _combined(expr: ast.BinaryExpr, exposed: Exposed) -> Labels | None:
    left, right = labels_of(expr.lhs, exposed), labels_of(expr.rhs, exposed)
    if left is None or right is None:
        return right if left is None else left
    if str(expr.op) == "or":
        return left | right
    matching = expr.modifier.matching if expr.modifier is not None else None
    if matching is None:
        if left != right:
            raise Unknown(f"{expr.prettify()}: the two sides never match, {sorted(left)} and {sorted(right)}")
        return left
    named = frozenset(matching.labels)
    for side in (left, right):
        _there(named, side, expr.prettify())
    if str(expr.op) in ("and", "unless"):
        return left
    assert expr.modifier is not None
    if expr.modifier.card == ast.VectorMatchCardinality.OneToOne:
        return named if matching.type == ast.LabelModifierType.Include else left - named
    many, one = (left, right) if expr.modifier.card == ast.VectorMatchCardinality.ManyToOne else (right, left)
    taken = frozenset(expr.modifier.group_labels or ())
    _there(taken, one, expr.prettify())
    return many | taken


def _called(call: ast.Call, exposed: Exposed) -> Labels | None:
    arguments = [labels_of(argument, exposed) for argument in call.args]
    if call.func.name in ("time", "scalar"):
        return None
    found = NONE.union(*(labels for labels in arguments if labels is not None))
    if call.func.name == "histogram_quantile":
        _there({"le"}, found, call.prettify())
        return found - {"le"}
    return found


def _there(wanted: Labels | set[str], there: Labels, where: str) -> None:
    missing = sorted(set(wanted) - there)
    if missing:
        raise Unknown(f"{where}: no label {', '.join(missing)} is exposed, only {', '.join(sorted(there))}")
