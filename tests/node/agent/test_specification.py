"""What a specification may say, and which files it needs."""

from typing import Any

import pytest

from node.agent.errors import InvalidArgument
from node.agent.specification import check, files
from protos.common_pb2 import BiosBoot, BlobRef, BootSource, LinuxBoot, MultibootBoot, VmSpec

LINUX = BootSource(linux=LinuxBoot(kernel=BlobRef(digest="k"), initrd=BlobRef(digest="i")))
BUILT_IN = BootSource(multiboot=MultibootBoot(command_line="tick"))
BIOS = BootSource(bios=BiosBoot(rom=BlobRef(digest="r")))


def spec(**changes: Any) -> VmSpec:
    good: dict[str, Any] = {"name": "a", "memory_bytes": 1 << 20, "vmm": "native", "clock": "real", "boot": LINUX}
    return VmSpec(**(good | changes))


def test_good_specification_passes() -> None:
    check(spec())
    check(spec(name="web-1.test_2", clock="virtual", exit_port=0xF4, boot=BUILT_IN))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "no VM name"),
        ({"name": "../a"}, "no VM name"),
        ({"name": "a" * 64}, "no VM name"),
        ({"memory_bytes": 0}, "out of range"),
        ({"memory_bytes": 1 << 40}, "out of range"),
        ({"memory_bytes": (1 << 20) + 512}, "whole number"),
        ({"vmm": "kvm"}, "no VMM mode 'kvm'"),
        ({"clock": "wall"}, "no clock 'wall'"),
        ({"cpu": "pentium5"}, "no processor model 'pentium5' on this node: it has i686, pentium, "),
        ({"exit_port": 0x10000}, "exit port"),
        ({"boot": None}, "nothing to boot"),
        ({"boot": BootSource(multiboot=MultibootBoot(command_line="x" * 70_000))}, "too long"),
    ],
)
def test_each_mistake_is_named(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidArgument, match=sentence):
        check(spec(**changes))


def test_files_are_those_that_building_reads() -> None:
    assert files(spec(), incoming=False) == ["k", "i"]
    assert files(spec(boot=BUILT_IN), incoming=False) == []
    assert files(spec(boot=BIOS), incoming=False) == ["r"]


def test_incoming_machine_needs_no_file_but_its_rom() -> None:
    assert files(spec(), incoming=True) == []
    assert files(spec(boot=BIOS), incoming=True) == ["r"]
