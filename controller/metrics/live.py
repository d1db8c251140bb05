"""The gauges: what there is now, as the last snapshot has it. Nothing is shown of what is not there.

Prometheus asks in a thread of its own, so this reads one reference, once, and never the journal.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.lifecycle import VmState
from controller.metrics.snapshot import PHASES, UNKNOWN_PHASE, Running, Snapshot, VmNow

NS_A_SECOND = 1e9
VM_STATES = tuple(state.value for state in VmState if state is not VmState.GONE)

Sample = tuple[Sequence[str], float]


class LiveCollector(Collector):
    """`now` gives the latest snapshot."""

    def __init__(self, now: Callable[[], Snapshot]) -> None:
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        snapshot = self._now()
        yield from _cluster(snapshot)
        yield from _last_migrations(snapshot.vms)
        yield from _running(snapshot.running)


def _cluster(now: Snapshot) -> Iterator[GaugeMetricFamily]:
    states, phases = Counter(vm.state for vm in now.vms), Counter(run.phase for run in now.running)
    yield _gauge("controller_vms", "VMs of the cluster.", ("state",), (((s,), states[s]) for s in VM_STATES))
    owners = (((vm.name, vm.node), 1) for vm in now.vms)
    yield _gauge("vm_owner", "The node that owns the VM, by the journal.", ("vm", "node"), owners)
    up = (((node.name,), int(node.ready)) for node in now.nodes)
    yield _gauge("node_up", "Whether the node is there.", ("node",), up)
    reachable = [((), int(now.storage_reachable))]
    yield _gauge("storage_reachable", "Whether the storage answers the controller.", (), reachable)
    in_progress = (((phase,), phases[phase]) for phase in (*PHASES, UNKNOWN_PHASE))
    yield _gauge("migration_in_progress", "Migrations under way.", ("phase",), in_progress)


def _last_migrations(vms: Iterable[VmNow]) -> Iterator[GaugeMetricFamily]:
    moved = [(vm.name, vm.last) for vm in vms if vm.last is not None]

    def gauge(name: str, what: str, values: Iterable[tuple[str, int]]) -> GaugeMetricFamily:
        return _gauge(f"migration_last_{name}", what, ("vm",), (((vm,), ns / NS_A_SECOND) for vm, ns in values))

    downtimes, durations = (
        ((vm, last.downtime_ns) for vm, last in moved),
        ((vm, last.duration_ns) for vm, last in moved),
    )
    yield gauge("downtime_seconds", "Downtime of the VM's last successful migration.", downtimes)
    yield gauge("duration_seconds", "Total time of the VM's last successful migration.", durations)
    ends = ((vm, last.ended_unix_ns) for vm, last in moved)
    yield gauge("timestamp_seconds", "When the VM's last successful migration ended.", ends)


def _running(runs: Sequence[Running]) -> Iterator[GaugeMetricFamily]:
    """What each migration shows from its beginning, then what only a round that has ended can tell."""

    def gauge(name: str, what: str, values: Iterable[tuple[Running, float]]) -> GaugeMetricFamily:
        samples = (((run.vm, run.algorithm), value) for run, value in values)
        return _gauge(f"migration_{name}", what, ("vm", "algorithm"), samples)

    allowed = ((run, run.max_downtime_ns / NS_A_SECOND) for run in runs)
    yield gauge("remaining_bytes", "Still to be sent in this round.", ((run, run.remaining_bytes) for run in runs))
    yield gauge("sent_bytes", "Sent so far.", ((run, run.sent_bytes) for run in runs))
    yield gauge("bandwidth_bytes_per_second", "How fast it sends.", ((run, run.bytes_per_s) for run in runs))
    yield gauge("round", "The round that is being sent.", ((run, run.round) for run in runs))
    yield gauge("max_downtime_seconds", "The downtime that it is allowed.", allowed)
    ended = [(run, run.found) for run in runs if run.found is not None]
    dirtied = ((run, found.dirty_bytes_per_s) for run, found in ended)
    predicted = ((run, found.predicted_downtime_ns / NS_A_SECOND) for run, found in ended)
    yield gauge("dirty_bytes_per_second", "How fast the guest wrote in the last round.", dirtied)
    yield gauge("dirty_pages", "Found dirty after the last round.", ((run, found.dirty_pages) for run, found in ended))
    yield gauge("predicted_downtime_seconds", "The downtime, were it stopped after the last round.", predicted)


def _gauge(name: str, what: str, labels: Sequence[str], samples: Iterable[Sample]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"limosa_{name}", what, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
