"""The PromQL that several panels share, and the words for what a selector leaves in.

`$__rate_interval` is Grafana's: at least four scrapes long, so that a rate always has two samples to stand on.
"""

ALGORITHM = 'algorithm=~"$algorithm"'
NODE = 'node=~"$node"'
VM = 'vm=~"$vm"'
NODE_VM = f"{NODE},{VM}"


def metric(name: str, *matchers: str) -> str:
    """`limosa_NAME{…}`."""
    inside = ",".join(matcher for matcher in matchers if matcher)
    return f"limosa_{name}{{{inside}}}" if inside else f"limosa_{name}"


def rate(selector: str, by: str = "") -> str:
    """Per second, summed over everything but `by`."""
    return f"{_sum(by)}(rate({selector}[$__rate_interval]))"


def added(selector: str, by: str = "", over: str = "$__rate_interval") -> str:
    """How much came in the window. Migrations are rare: their number says more than their rate."""
    return f"{_sum(by)}(increase({selector}[{over}]))"


def quantile(q: float, buckets: str, by: str = "", over: str = "$__rate_interval") -> str:
    """Of a histogram's observations within the window; no value while there are none."""
    labels = f"{by}, le" if by else "le"
    turned = "rate" if over == "$__rate_interval" else "increase"
    return f"histogram_quantile({q}, sum by ({labels}) ({turned}({buckets}[{over}]))) >= 0"


def or_zero(found: str, of: str) -> str:
    """`found`, and 0 for each of `of` where there is none: nothing counted is a zero, not a hole."""
    return f"{found} or 0 * {of}"


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"
