"""The record of one migration: what was sent, round by round, how long the guest stood still, and why it ended so.

Fields carry the names of protos/common.proto's MigrationRecord and Round, so converting is copying. The figures obey
conservation laws, and `check` holds them: what the rounds sent and what was sent around them is what the link carried;
the parts of the downtime sum to it; every page found dirty is in the next round.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise

DOWNTIME_PARTS = ("stop", "last_pages", "state", "transfer", "load", "verify", "commit", "resume")


@dataclass(frozen=True, slots=True)
class Round:
    """One pass over pages; number 1 is the first copy of all memory."""

    number: int
    pages_normal: int
    pages_zero: int
    bytes_sent: int
    duration_ns: int
    dirty_pages_after: int = 0
    dirty_pages_per_s: float = 0.0
    bytes_per_s: float = 0.0
    predicted_downtime_ns: int = 0
    verdict: str = ""
    reason: str = ""

    @property
    def pages(self) -> int:
        return self.pages_normal + self.pages_zero


@dataclass(frozen=True, slots=True)
class DowntimePart:
    name: str
    duration_ns: int


@dataclass(frozen=True, slots=True)
class Report:
    """One migration, as the source saw it."""

    migration_id: str
    algorithm: str
    result: str  # succeeded | failed | cancelled | unconverged | undecided
    runs_on: str  # source | target | "" (undecided: neither runs until the authority is heard)
    kind: str = ""  # of the failure, see errors.py
    error: str = ""
    rounds: tuple[Round, ...] = ()
    downtime_parts: tuple[DowntimePart, ...] = ()
    downtime_ns: int = 0
    total_ns: int = 0
    setup_ns: int = 0
    bytes_sent: int = 0
    bytes_around: int = 0  # of bytes_sent, what was sent outside the rounds: opening, header, state, digest, end
    pages_normal: int = 0
    pages_zero: int = 0
    digest: str = ""

    def resumed(self, resume_ns: int) -> "Report":
        """With the part that only the target can see added."""
        parts = _with(self.downtime_parts, "resume", resume_ns)
        return replace(
            self,
            downtime_parts=parts,
            downtime_ns=self.downtime_ns + resume_ns,
            total_ns=self.total_ns + resume_ns,
        )


def _with(parts: tuple[DowntimePart, ...], name: str, duration_ns: int) -> tuple[DowntimePart, ...]:
    return tuple(DowntimePart(p.name, p.duration_ns + duration_ns) if p.name == name else p for p in parts)


@dataclass(slots=True)
class DowntimeClock:
    """Splits the time of a pause: each moment since the last mark goes to exactly one part."""

    last_ns: int
    parts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DOWNTIME_PARTS, 0))

    def mark(self, name: str, now_ns: int) -> None:
        """The time since the last mark was `name`'s."""
        self.parts[name] += now_ns - self.last_ns
        self.last_ns = now_ns

    def result(self) -> tuple[DowntimePart, ...]:
        return tuple(DowntimePart(name, duration) for name, duration in self.parts.items())


def unbalanced(report: Report) -> list[str]:
    """The conservation laws that the report breaks, in words; none for a true one."""
    rounds = report.rounds
    laws = [
        ("parts sum to the downtime", sum(p.duration_ns for p in report.downtime_parts) == report.downtime_ns),
        ("parts are named once, in order", _named_in_order(report.downtime_parts)),
        ("no part is negative", all(p.duration_ns >= 0 for p in report.downtime_parts)),
        ("rounds are numbered from 1", [r.number for r in rounds] == list(range(1, len(rounds) + 1))),
        ("normal pages are the rounds'", sum(r.pages_normal for r in rounds) == report.pages_normal),
        ("zero pages are the rounds'", sum(r.pages_zero for r in rounds) == report.pages_zero),
        ("bytes are the rounds' and those around", report.bytes_sent == _bytes(report)),
        ("dirty pages go into the next round", _carried(rounds)),
        ("downtime is within the total", report.downtime_ns <= report.total_ns),
        ("the VM runs where the result says", _owner(report)),
    ]
    return [law for law, holds in laws if not holds]


def _bytes(report: Report) -> int:
    return report.bytes_around + sum(r.bytes_sent for r in report.rounds)


def _named_in_order(parts: tuple[DowntimePart, ...]) -> bool:
    return not parts or tuple(p.name for p in parts) == DOWNTIME_PARTS


def _carried(rounds: tuple[Round, ...]) -> bool:
    """Exactly, but for the last round, which also has the pages written until the pause."""
    return all(
        after.pages >= before.dirty_pages_after
        if before.verdict == "stop-and-copy"
        else after.pages == before.dirty_pages_after
        for before, after in pairwise(rounds)
    )


def _owner(report: Report) -> bool:
    return report.runs_on == {"succeeded": "target", "undecided": ""}.get(report.result, "source")
