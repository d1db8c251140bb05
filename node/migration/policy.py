"""When pre-copy ends: a pure function of the rounds so far.

`decide` looks at the finished rounds and says continue, stop-and-copy or abort, and why, in a sentence for the user.

Defaults and where they come from:
    max_downtime   300 ms   QEMU's `downtime-limit` and Cloud Hypervisor's default; a target, predicted, not enforced
    max_rounds     30       Xen's legacy limit was 29 rounds and a last one (xc_domain_save); today's libxc has 5,
                            which gives up on guests that converge slowly
    patience       3        rounds without a new minimum of remaining pages before it is called not converging
                            (KubeVirt VEP 248 measures progress the same way: against the best so far, since an
                            oscillating guest makes "less than last time" true for ever)
    shrink         0.9      a new minimum counts when it is at least a tenth below the old one

The prediction is (remaining pages as octets on the wire) / (bandwidth as measured) + fixed, where fixed is what every
pause costs however little is sent, chiefly the digest over all memory; the source measures it after each round. When
that alone exceeds what is allowed, `patience` rounds are given it to come down: a busy host disturbs it upwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from node.migration.report import Round
from node.migration.wire import PAGE_BYTES

SECOND_NS = 1_000_000_000
WIRE_PAGE_BYTES = PAGE_BYTES + 4  # its number travels with it; heads are shared by 256 pages
SAMPLE_BYTES = 1 << 20  # a round that sent less says nothing about the link


class Decision(Enum):
    CONTINUE = "continue"
    STOP_AND_COPY = "stop-and-copy"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user allows."""

    max_downtime_ns: int = 300_000_000
    max_rounds: int = 30
    patience: int = 3
    shrink: float = 0.9


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision with its prediction and its sentence."""

    decision: Decision
    predicted_downtime_ns: int
    reason: str


def decide(rounds: Sequence[Round], limits: Limits, fixed_ns: int) -> Decided:
    """After each round: what now?"""
    last = rounds[-1]
    rate = bandwidth(rounds)
    predicted = predict(last.dirty_pages_after, rate, fixed_ns)
    decision, reason = _choose(rounds, limits, predicted, fixed_ns)
    facts = f"{last.dirty_pages_after} pages are dirty after round {last.number}"
    return Decided(decision, predicted, f"{facts}, {_ms(predicted)} of downtime at {rate / 1e6:.1f} MB/s: {reason}")


def _choose(rounds: Sequence[Round], limits: Limits, predicted_ns: int, fixed_ns: int) -> tuple[Decision, str]:
    allowed = limits.max_downtime_ns
    if predicted_ns <= allowed:
        return Decision.STOP_AND_COPY, f"within the {_ms(allowed)} allowed"
    if fixed_ns > allowed and len(rounds) >= limits.patience:
        return Decision.ABORT, f"{_ms(fixed_ns)} of it does not depend on the pages; only {_ms(allowed)} are allowed"
    if stalled(rounds, limits):
        return (
            Decision.ABORT,
            f"no real progress in {limits.patience} rounds, the guest writes as fast as the link sends",
        )
    if len(rounds) >= limits.max_rounds:
        return Decision.ABORT, f"over the {_ms(allowed)} allowed after the last of {limits.max_rounds} rounds"
    return Decision.CONTINUE, f"over the {_ms(allowed)} allowed, another round"


def bandwidth(rounds: Sequence[Round]) -> float:
    """Octets a second: the latest round's that sent enough to tell, else of all rounds together."""
    for candidate in reversed(rounds):
        if candidate.bytes_sent >= SAMPLE_BYTES and candidate.duration_ns:
            return candidate.bytes_sent * SECOND_NS / candidate.duration_ns
    duration_ns = sum(r.duration_ns for r in rounds)
    return sum(r.bytes_sent for r in rounds) * SECOND_NS / duration_ns if duration_ns else float("inf")


def predict(pages: int, bytes_per_s: float, fixed_ns: int) -> int:
    """The downtime if the guest were paused now."""
    return round(pages * WIRE_PAGE_BYTES * SECOND_NS / bytes_per_s) + fixed_ns


def stalled(rounds: Sequence[Round], limits: Limits) -> bool:
    """Has the least number of dirty pages not come down for `patience` rounds?"""
    best, best_at = float("inf"), 0
    for at, each in enumerate(rounds):
        if each.dirty_pages_after <= best * limits.shrink:
            best, best_at = each.dirty_pages_after, at
    return len(rounds) - 1 - best_at >= limits.patience


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.1f} ms"
