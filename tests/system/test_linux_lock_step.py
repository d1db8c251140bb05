"""Debian's kernel under the virtual clock, with the translator and without: the same state at every so many millionth
instruction, from the first to the shell. What the two machines have not in common is only how fast they are."""

import os
from pathlib import Path

import pytest
import xxhash

from node.domain.boot_files import LinuxFiles, load
from node.ia32.processor import Engine
from node.jit import native
from node.jit.regions.settings import Settings
from node.migration import snapshot
from node.vmm.machine import Machine, MachineConfig
from tests.support.debian import debian_image
from tests.support.engine import cache_directory

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(3000)]

CONFIG = MachineConfig(128 << 20, clock="virtual", wall_clock_unix_ns=1_000_000_000_000_000_000)
INSTRUCTIONS = int(os.environ.get("LIMOSA_LOCK_STEP", "600")) * 1_000_000
STEP = 10_000_000


def _no_clock() -> int:
    raise AssertionError("the virtual clock read the host's")


def booted(engine: Engine, files: LinuxFiles) -> Machine:
    machine = Machine(CONFIG, engine=engine, monotonic_ns=_no_clock)
    machine.enter(load(machine.memory, files))
    return machine


def digest(machine: Machine) -> str:
    state = xxhash.xxh3_128()
    state.update(machine.memory.view)
    state.update(snapshot.encode(machine.records()))
    return state.hexdigest()


@pytest.mark.parametrize("name", ["debian-12", "debian-12-686"])
def test_the_translator_changes_nothing_in_a_boot_of_linux(tmp_path: Path, name: str) -> None:
    image = debian_image(tmp_path, name)
    assert image.initrd is not None
    files = LinuxFiles(image.kernel.read_bytes(), image.initrd.read_bytes(), image.command_line)
    translating = native.load(cache_directory())
    translating.translate(Settings(copy_within=1 << 40, note_within=1 << 40, glance=20, patience=200, share=100.0))
    translated, interpreted = booted(translating, files), booted(native.load(cache_directory()), files)
    for moment in range(STEP, INSTRUCTIONS + 1, STEP):
        for machine in (translated, interpreted):
            assert machine.run_until(moment) is None
            if machine.instructions < moment:
                return  # switched off, or idle for ever
        assert digest(translated) == digest(interpreted), f"after {moment} instructions"
    figures = translated.stats()
    print(figures)
    assert figures["copied_bytes"] > 1 << 20
    assert figures["instructions_translated"] > INSTRUCTIONS // 1000, "how much depends on the host"
