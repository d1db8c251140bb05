"""What `limosa top` shows, as rows: a pure function of two samples of the cluster and the time between them.

A rate is a difference of two readings of one counter, so it is known only where both readings are of the same run of
the same machine: not in the first sample, not while a node does not answer, not across a start. It is None then. The
instructions travel with a VM, its process does not: across a migration the one rate is known and the other is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PAGE = 4096
SECOND_NS = 1_000_000_000
OUTRUN = "the guest writes faster than the link"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """The cluster at one moment: the rows of schema.py, and when they were asked for."""

    monotonic_ns: int
    unix_ns: int
    vms: Sequence[Row]
    nodes: Sequence[Row]
    jobs: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is shown of one sample."""

    unix_ns: int
    vms: list[dict[str, Any]]
    nodes: list[dict[str, Any]]
    migrations: list[dict[str, Any]]
    total: dict[str, Any]


def figures(before: Sample | None, now: Sample) -> Figures:
    """The rows of `now`, with the rates since `before`."""
    seconds = (now.monotonic_ns - before.monotonic_ns) / SECOND_NS if before is not None else 0.0
    earlier = {row["name"]: row for row in before.vms} if before is not None else {}
    vms = [_vm(earlier.get(row["name"]), row, seconds) for row in now.vms]
    nodes = [_node(row, [vm for vm in vms if vm["node"] == row["name"]]) for row in now.nodes]
    migrations = [_migration(row) for row in now.jobs if row["state"] == "running"]
    return Figures(now.unix_ns, vms, nodes, migrations, _total(vms, nodes, migrations))


def verdict(job: Row) -> str:
    """How a running migration stands, in words."""
    match job["phase"]:
        case "active":
            return _converging(job)
        case "stop-and-copy":
            return "the guest stands still: the last pages go"
        case "verify":
            return "the guest stands still: the copies are compared"
        case "activating":
            return f"committed: {job['target']} starts it"
        case "releasing":
            return f"it runs on {job['target']}: {job['source']} is told"
        case "aborting":
            return f"aborted: {job['source']} is to run on"
        case _:
            return f"{job['target']} prepares"


def _converging(job: Row) -> str:
    if not job["rounds"]:
        return "the first copy of all memory"
    last = job["rounds"][-1]
    if last["predicted_downtime_ns"] <= job["max_downtime_ns"]:
        return "converged: the rest fits"
    if last["dirty_pages_per_s"] * PAGE >= _bandwidth(job) > 0:
        return OUTRUN
    return "converging"


def _bandwidth(job: Row) -> float:
    """Now, or as the last round had it."""
    measured: float = job["bytes_per_s"] or (job["rounds"][-1]["bytes_per_s"] if job["rounds"] else 0.0)
    return measured


def _vm(before: Row | None, now: Row, seconds: float) -> dict[str, Any]:
    cpu = _rate(_of_same_process(before, now), now, "cpu_ns", seconds)
    return {
        "name": now["name"],
        "state": now["state"],
        "node": now["node"],
        "instructions_per_s": _rate(before, now, "instructions", seconds),
        "cpu_share": None if cpu is None else cpu / SECOND_NS,
        "memory_bytes": now["memory_bytes"],
        "resident_bytes": now["resident_bytes"],
        "console_bytes_per_s": _rate(before, now, "console_bytes", seconds),
        "migrations": now["migrations"],
        "job": now["job"],
    }


def _of_same_process(before: Row | None, now: Row) -> Row | None:
    return before if before is not None and (before["node"], before["pid"]) == (now["node"], now["pid"]) else None


def _rate(before: Row | None, now: Row, key: str, seconds: float) -> float | None:
    """The counter's difference a second, if both readings are of one life of the machine."""
    if before is None or seconds <= 0 or not (before["pid"] and now["pid"]):
        return None
    restarted = before["node"] == now["node"] and before["pid"] != now["pid"]
    difference = now[key] - before[key]
    return None if restarted or difference < 0 else difference / seconds


def _node(row: Row, vms: Sequence[Row]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "state": row["state"],
        "cpus": row["cpus"],
        "vms": len(vms),
        "memory_promised_bytes": sum(vm["memory_bytes"] for vm in vms),
        "memory_bytes": row["memory_bytes"],
        **_sums(vms),
    }


def _migration(job: Row) -> dict[str, Any]:
    done = job["rounds"]
    last = done[-1] if done else None
    return {
        "job": job["id"],
        "vm": job["vm"],
        "source": job["source"],
        "target": job["target"],
        "algorithm": job["algorithm"],
        "phase": job["phase"],
        "round": len(done) + (job["phase"] in ("active", "stop-and-copy")),
        "sent_bytes": job["bytes_sent"],
        "left_bytes": job["pages_remaining"] * PAGE,
        "bytes_per_s": _bandwidth(job),
        "dirty_bytes_per_s": last["dirty_pages_per_s"] * PAGE if last is not None else None,
        "predicted_downtime_ns": last["predicted_downtime_ns"] if last is not None else None,
        "max_downtime_ns": job["max_downtime_ns"],
        "verdict": verdict(job),
    }


def _total(vms: Sequence[Row], nodes: Sequence[Row], migrations: Sequence[Row]) -> dict[str, Any]:
    return {
        "nodes": len(nodes),
        "nodes_ready": sum(node["state"] == "ready" for node in nodes),
        "vms": len(vms),
        "vms_running": sum(vm["state"] == "running" for vm in vms),
        "migrations": len(migrations),
        "memory_promised_bytes": sum(vm["memory_bytes"] for vm in vms),
        **_sums(vms),
    }


def _sums(vms: Sequence[Row]) -> dict[str, float | None]:
    """Of those whose rate is known; None if no rate is."""
    sums: dict[str, float | None] = {}
    for key in ("instructions_per_s", "cpu_share"):
        known = [vm[key] for vm in vms if vm[key] is not None]
        sums[key] = sum(known) if known else None
    return sums
