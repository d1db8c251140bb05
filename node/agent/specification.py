"""What a VmSpec may say on this node, and which files it names. Checked before anything is reserved or forked."""

import re

from node.agent.errors import InvalidArgument
from node.domain import sizes
from node.domain.processors import CPUS
from protos.common_pb2 import VmSpec

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
SPEC_BYTES_MAX = 64 * 1024
VMM_MODES = ("native",)
CLOCKS = ("real", "virtual")


def check(spec: VmSpec) -> None:
    """Raises InvalidArgument with a sentence about the first thing that is wrong."""
    if not NAME.fullmatch(spec.name):
        raise InvalidArgument(f"{spec.name!r} is no VM name: letters, digits, '.', '_', '-', at most 63, are")
    if spec.ByteSize() > SPEC_BYTES_MAX:
        raise InvalidArgument(f"a specification of {spec.ByteSize()} bytes is too long: {SPEC_BYTES_MAX} are possible")
    try:
        sizes.check_memory(spec.memory_bytes)
    except sizes.BadSize as error:
        raise InvalidArgument(str(error)) from None
    if spec.vmm not in VMM_MODES:
        raise InvalidArgument(f"no VMM mode {spec.vmm!r} on this node: it has {', '.join(VMM_MODES)}")
    if spec.clock not in CLOCKS:
        raise InvalidArgument(f"no clock {spec.clock!r}: a machine's clock is {' or '.join(CLOCKS)}")
    if spec.cpu and spec.cpu not in CPUS:
        raise InvalidArgument(f"no processor model {spec.cpu!r} on this node: it has {', '.join(CPUS)}")
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
