"""A node's table of metrics over VMs that are only remembered."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from node.agent.blobs import BlobCache
from node.agent.hosting import Hosting
from node.agent.template import Template
from node.domain.lifecycle import Event
from node.metrics import CPU_MODES, NodeCollector, start_histogram
from protos.common_pb2 import VmSpec
from protos.node_pb2 import NodeInfo, VmInfo
from tests.support.promtool import complaints

MIB = 1 << 20
STATES = {"created", "running", "paused", "stopped", "incoming", "crashed"}


class Node:
    """An agent's memory without its processes."""

    def __init__(self, directory: Path) -> None:
        async def fetch(*_: object) -> None:
            raise AssertionError("nothing is fetched here")

        self.registry = CollectorRegistry()
        starts = start_histogram(self.registry)
        template = Template("none:NONE")
        self.hosting = Hosting(
            template,
            BlobCache(directory, fetch),
            memory_bytes=64 * MIB,
            monotonic_ns=lambda: 0,
            unix_ns=lambda: 0,
            on_started=lambda ns: starts.observe(ns / 1e9),
        )
        self.registry.register(NodeCollector(self.hosting, template, NodeInfo(version="1.2", stream_version=3)))

    def vm(self, name: str, *events: Event, info: VmInfo | None = None) -> None:
        spec = VmSpec(name=name, memory_bytes=16 * MIB, vmm="native", clock="real")
        vm = self.hosting.admit(spec, request_id="")
        for event in events:
            vm.apply(event)
        if info is not None:
            vm.remember(info)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"limosa_{name}", labels)

    def names_of(self, vm: str) -> set[str]:
        return {s.name for f in self.registry.collect() for s in f.samples if s.labels.get("vm") == vm}


RAN = VmInfo(
    instructions=1000, guest_time_ns=2_500_000_000, console_bytes=42, cpu_ns=1_250_000_000, resident_bytes=3 * MIB,
    dirty_pages=17, counters={"tlb_misses": 5, "exceptions": 6, "interrupts": 7, "exits_io": 8, "exits_halt": 9},
)  # fmt: skip


async def test_running_vm_has_every_figure_under_its_name(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.vm("a", Event.BUILT, Event.START, info=RAN)
    assert node.value("vm_instructions_total", vm="a") == 1000
    assert node.value("vm_guest_seconds_total", vm="a") == 2.5
    assert node.value("vm_tlb_misses_total", vm="a") == 5
    assert node.value("vm_exceptions_total", vm="a") == 6
    assert node.value("vm_interrupts_total", vm="a") == 7
    assert node.value("vm_exits_total", vm="a", reason="io") == 8
    assert node.value("vm_exits_total", vm="a", reason="halt") == 9
    assert node.value("vm_cpu_seconds_total", vm="a") == 1.25
    assert node.value("vm_resident_bytes", vm="a") == 3 * MIB
    assert node.value("vm_memory_bytes", vm="a") == 16 * MIB
    assert node.value("vm_dirty_pages_total", vm="a") == 17
    assert node.value("vm_console_bytes_total", vm="a") == 42
    assert {s: node.value("vm_state", vm="a", state=s) for s in STATES} == dict.fromkeys(STATES, 0) | {"running": 1}
    assert {s: node.value("node_vms", state=s) for s in STATES} == dict.fromkeys(STATES, 0) | {"running": 1}


async def test_node_tells_its_own_figures(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.vm("a", Event.BUILT)
    node.vm("b", Event.BUILT)
    node.hosting.domain_deaths = 4
    assert node.value("node_info", version="1.2", stream_version="3") == 1
    assert node.value("node_memory_capacity_bytes") == 64 * MIB
    assert node.value("node_memory_reserved_bytes") == 32 * MIB
    assert node.value("node_vms", state="created") == 2
    assert node.value("domain_deaths_total") == 4
    assert node.value("template_restarts_total") == 0
    total, available = node.value("node_host_memory_total_bytes"), node.value("node_host_memory_available_bytes")
    assert total is not None and available is not None and total > available > 0
    assert (node.value("node_cpus") or 0) >= 1
    assert all(node.value("node_host_cpu_seconds_total", mode=mode) is not None for mode in CPU_MODES)


async def test_vm_of_which_nothing_was_heard_has_no_counters(tmp_path: Path) -> None:
    """A counter that began at zero and went on at a million would be a burst that never was."""
    node = Node(tmp_path)
    node.vm("new", Event.BUILT)
    node.vm("incoming", Event.EXPECT, info=VmInfo(cpu_ns=1, instructions=0))
    node.vm("building")
    for vm in ("new", "incoming"):
        assert node.names_of(vm) == {"limosa_vm_state", "limosa_vm_memory_bytes"}
    assert node.names_of("building") == set()
    assert node.value("vm_state", vm="incoming", state="incoming") == 1


async def test_series_end_when_the_vm_leaves(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.vm("a", Event.BUILT, Event.START, info=RAN)
    node.vm("b", Event.BUILT, Event.START, info=RAN)
    vm = node.hosting.vm("a")
    await node.hosting.remove(vm, Event.DESTROY, "destroyed")
    assert node.names_of("a") == set()
    assert node.names_of("b") != set()


async def test_figures_never_step_back_and_a_new_machine_begins_anew(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.vm("a", Event.BUILT, Event.START, info=RAN)
    vm = node.hosting.vm("a")
    vm.remember(VmInfo(instructions=900, cpu_ns=1_200_000_000))  # a notice that an answer has overtaken
    assert node.value("vm_instructions_total", vm="a") == 1000
    vm.forget()
    vm.remember(VmInfo(instructions=3, cpu_ns=1_000))
    assert node.value("vm_instructions_total", vm="a") == 3


async def test_page_is_clean_for_prometheus(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.vm("a", Event.BUILT, Event.START, info=RAN)
    node.vm("b", Event.BUILT)
    assert complaints(generate_latest(node.registry).decode()) == ""
