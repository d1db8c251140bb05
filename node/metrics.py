"""What a node tells Prometheus: one table, read from what the agent knows already. A scrape asks no domain.

Everything here runs in the endpoint's thread while the agent's loop goes on. It therefore only copies references:
`list(dict.values())` is one step to Python, a VM's `last` message is replaced and never changed. A VM that has left
the node is in no list of the agent's, and so its series end with it; what is counted of a VM that is expected here
begins when it runs.

The node's name is in no label: whoever scrapes knows whom it asked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from node.agent.hosted_vm import HostedVm
from node.agent.hosting import Hosting
from node.agent.template import Template
from node.domain.lifecycle import REPORTED_AS, State
from protos.common_pb2 import VmState
from protos.node_pb2 import NodeInfo, VmInfo

START_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")  # of Linux's /proc/stat
EXIT = "exits_"  # before the reason, in a machine's counters
STATES = {number: name.removeprefix("VM_STATE_").lower() for name, number in VmState.items() if number}


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One figure of the node."""

    kind: type[CounterMetricFamily] | type[GaugeMetricFamily]
    name: str
    help: str
    value: Callable[[Hosting, Template], float]


@dataclass(frozen=True, slots=True)
class VmRow:
    """One figure of each VM, from what its domain last said."""

    kind: type[CounterMetricFamily] | type[GaugeMetricFamily]
    name: str
    help: str
    value: Callable[[VmInfo], float]


C, G = CounterMetricFamily, GaugeMetricFamily


def _counted(name: str, help_text: str, counter: str, unit: float = 1.0) -> VmRow:
    """A row for one of the machine's counters; `unit`: of the counter in that of the metric."""
    return VmRow(C, name, help_text, lambda info: info.counters.get(counter, 0) * unit)


NODE_ROWS = (
    NodeRow(G, "limosa_node_memory_capacity_bytes", "Memory that VMs may have here.", lambda h, _: h.memory_bytes),
    NodeRow(G, "limosa_node_memory_reserved_bytes", "Memory that VMs have here.", lambda h, _: h.memory_reserved),
    NodeRow(G, "limosa_node_cpus", "Processors of the host.", lambda *_: psutil.cpu_count() or 1),
    NodeRow(G, "limosa_node_host_memory_total_bytes", "Memory of the host.", lambda *_: psutil.virtual_memory().total),
    NodeRow(
        G,
        "limosa_node_host_memory_available_bytes",
        "Memory that the host could give without swapping.",
        lambda *_: psutil.virtual_memory().available,
    ),
    NodeRow(C, "limosa_domain_deaths_total", "VM processes that died unasked.", lambda h, _: h.domain_deaths),
    NodeRow(C, "limosa_template_restarts_total", "Times the template process was replaced.", lambda _, t: t.restarts),
)
VM_ROWS = (
    VmRow(C, "limosa_vm_instructions_total", "Guest instructions since its boot.", lambda i: i.instructions),
    VmRow(C, "limosa_vm_guest_seconds_total", "The guest's own time since its boot.", lambda i: i.guest_time_ns / 1e9),
    VmRow(C, "limosa_vm_tlb_misses_total", "Page walks, on this node.", lambda i: i.counters.get("tlb_misses", 0)),
    VmRow(C, "limosa_vm_exceptions_total", "Exceptions, on this node.", lambda i: i.counters.get("exceptions", 0)),
    VmRow(
        C,
        "limosa_vm_interrupts_total",
        "Interrupts delivered, on this node.",
        lambda i: i.counters.get("interrupts", 0),
    ),
    _counted("limosa_vm_halts_total", "Times that it halted until an interrupt, on this node.", "halts"),
    _counted(
        "limosa_vm_translated_instructions_total",
        "Guest instructions executed in translated code, on this node.",
        "instructions_translated",
    ),
    _counted(
        "limosa_vm_regions_compiled_total", "Regions of hot code that were translated for it.", "regions_compiled"
    ),
    _counted("limosa_vm_regions_loaded_total", "Regions whose translation the node's disk had.", "regions_from_disk"),
    _counted(
        "limosa_vm_region_compilers_lost_total",
        "Compiling processes that a region was the end of; the VM runs on without it.",
        "region_compilers_lost",
    ),
    _counted("limosa_vm_translation_seconds_total", "Processor time that translating took.", "translation_ms", 1e-3),
    VmRow(
        G, "limosa_vm_code_cache_bytes", "Translated code it holds.", lambda i: i.counters.get("code_cache_bytes", 0)
    ),
    VmRow(G, "limosa_vm_copied_code_bytes", "Code copied from stencils.", lambda i: i.counters.get("copied_bytes", 0)),
    VmRow(
        G,
        "limosa_vm_translation_longest_pause_seconds",
        "The longest time for which the guest stood still to have translations ordered and installed.",
        lambda i: i.counters.get("translation_longest_pause_us", 0) / 1e6,
    ),
    VmRow(
        C,
        "limosa_vm_cpu_seconds_total",
        "Host processor time of its process, without the compiler's.",
        lambda i: i.cpu_ns / 1e9,
    ),
    VmRow(G, "limosa_vm_resident_bytes", "Host memory of its process.", lambda i: i.resident_bytes),
    VmRow(
        C, "limosa_vm_dirty_pages_total", "Pages found written by migrations from this node.", lambda i: i.dirty_pages
    ),
    VmRow(C, "limosa_vm_console_bytes_total", "Console output since its boot.", lambda i: i.console_bytes),
)


class NodeCollector(Collector):
    """The table, filled in at each scrape."""

    def __init__(self, hosting: Hosting, template: Template, description: NodeInfo) -> None:
        self._hosting = hosting
        self._template = template
        self._description = description

    def collect(self) -> Iterator[Metric]:
        yield from self._node()
        yield from self._vms([vm for vm in list(self._hosting.vms.values()) if REPORTED_AS[vm.state] in STATES])

    def _node(self) -> Iterator[Metric]:
        info = G("limosa_node_info", "What this node runs.", labels=("version", "stream_version"))
        info.add_metric((self._description.version, str(self._description.stream_version)), 1)
        yield info
        times = psutil.cpu_times()
        cpu = C(
            "limosa_node_host_cpu_seconds_total", "Processor time of the host, all its processors.", labels=("mode",)
        )
        for mode in CPU_MODES:
            cpu.add_metric((mode,), getattr(times, mode))
        yield cpu
        for row in NODE_ROWS:
            yield row.kind(row.name, row.help, value=row.value(self._hosting, self._template))

    def _vms(self, vms: list[HostedVm]) -> Iterator[Metric]:
        seen = [(vm, STATES.get(REPORTED_AS[vm.state], ""), vm.last) for vm in vms]  # each asked once
        count = G("limosa_node_vms", "VMs on this node.", labels=("state",))
        each = G("limosa_vm_state", "1 for the state in which the VM is.", labels=("vm", "state"))
        for name in STATES.values():
            count.add_metric((name,), sum(state == name for _, state, _ in seen))
            for vm, state, _ in seen:
                each.add_metric((vm.name, name), state == name)
        memory = G("limosa_vm_memory_bytes", "Guest-physical memory.", labels=("vm",))
        for vm, _, _ in seen:
            memory.add_metric((vm.name,), vm.spec.memory_bytes)
        yield from (count, each, memory)
        told = [(vm.name, last) for vm, state, last in seen if last.cpu_ns and state != STATES[INCOMING]]
        for row in VM_ROWS:
            family = row.kind(row.name, row.help, labels=("vm",))
            for vm_name, last in told:
                family.add_metric((vm_name,), row.value(last))
            yield family
        exits = C("limosa_vm_exits_total", "Returns to the VMM, on this node.", labels=("vm", "reason"))
        for vm_name, last in told:
            for counter, value in last.counters.items():
                if counter.startswith(EXIT):
                    exits.add_metric((vm_name, counter.removeprefix(EXIT)), value)
        yield exits


INCOMING = REPORTED_AS[State.INCOMING]  # its machine is empty yet: what it counts is not the VM's


def start_histogram(registry: CollectorRegistry) -> Histogram:
    """The one instrument that is not read but written: by Hosting, at each start."""
    return Histogram(
        "limosa_vm_start_seconds",
        "From nothing to a VM's first instruction.",
        buckets=START_SECONDS,
        registry=registry,
    )
