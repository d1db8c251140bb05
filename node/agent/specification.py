"""What a VmSpec may say on this node, and which files it names. Checked before anything is reserved or forked."""

import re

from node.agent.errors import InvalidArgument
from node.memory.ram import PAGE
from protos.common_pb2 import VmSpec

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
MEMORY_BYTES_MIN = 1 << 20
MEMORY_BYTES_MAX = 3 << 30  # below the PC's hole for devices under 4 GiB
VMM_MODES = ("native",)
CLOCKS = ("real", "virtual")


def check(spec: VmSpec) -> None:
    """Raises InvalidArgument with a sentence about the first thing that is wrong."""
    if not NAME.fullmatch(spec.name):
        raise InvalidArgument(f"{spec.name!r} is no VM name: letters, digits, '.', '_', '-', at most 63, are")
    if not MEMORY_BYTES_MIN <= spec.memory_bytes <= MEMORY_BYTES_MAX:
        raise InvalidArgument(
            f"memory of {spec.memory_bytes} bytes is out of range: {MEMORY_BYTES_MIN} to {MEMORY_BYTES_MAX} is possible"
        )
    if spec.memory_bytes % PAGE:
        raise InvalidArgument(f"memory of {spec.memory_bytes} bytes is not a whole number of {PAGE}-byte pages")
    if spec.vmm not in VMM_MODES:
        raise InvalidArgument(f"no VMM mode {spec.vmm!r} on this node: it has {', '.join(VMM_MODES)}")
    if spec.clock not in CLOCKS:
        raise InvalidArgument(f"no clock {spec.clock!r}: a machine's clock is {' or '.join(CLOCKS)}")
    if spec.exit_port > 0xFFFF - 3:
        raise InvalidArgument(f"exit port {spec.exit_port:#x} is beyond the I/O ports")
    if spec.boot.WhichOneof("kind") is None:
        raise InvalidArgument("the specification names nothing to boot: linux, multiboot or bios")


def files(spec: VmSpec, *, incoming: bool) -> list[str]:
    """Digests of the files needed to build the machine. An incoming one is not booted and needs its ROM only."""
    kind = spec.boot.WhichOneof("kind")
    if kind == "bios":
        return [spec.boot.bios.rom.digest]
    if incoming:
        return []
    if kind == "linux":
        initrd = [spec.boot.linux.initrd.digest] if spec.boot.linux.HasField("initrd") else []
        return [spec.boot.linux.kernel.digest, *initrd]
    kernel = [spec.boot.multiboot.kernel.digest] if spec.boot.multiboot.HasField("kernel") else []
    return [*kernel, *(module.digest for module in spec.boot.multiboot.modules)]
