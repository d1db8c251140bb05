"""The processor model is a machine's configuration, and its vector registers are a machine's state."""

import pytest

from node.ia32.processor import PlainEngine
from node.migration import snapshot
from node.vmm.machine import Machine, MachineConfig, MachineError


def machine(cpu: str) -> Machine:
    config = MachineConfig(1 << 20, cpu=cpu, clock="virtual")
    return Machine(config, engine=PlainEngine(), monotonic_ns=lambda: 0)


def test_an_unknown_model_is_refused_with_a_sentence() -> None:
    with pytest.raises(MachineError, match="unknown processor model '486': there is i686, pentium, "):
        MachineConfig(1 << 20, cpu="486").check()


def test_a_machine_has_the_model_of_its_configuration() -> None:
    assert machine("pentium3").processor.machine.signature == 0x673


def test_a_snapshot_carries_the_vector_registers() -> None:
    source, target = machine("pentium4"), machine("pentium4")
    for i in range(32):
        source.processor.cpu.xmm[i] = 0x8765_4321 + i
    source.processor.cpu.mxcsr = 0x7F80
    source.processor.cpu.debug_hits = 2
    snapshot.decode(snapshot.encode(source.records()), target.records())
    assert list(target.processor.cpu.xmm) == [0x8765_4321 + i for i in range(32)]
    assert (target.processor.cpu.mxcsr, target.processor.cpu.debug_hits) == (0x7F80, 2)
