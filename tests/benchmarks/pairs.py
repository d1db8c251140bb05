"""Which instructions follow one another most often in a Debian's boot and the errands of `tests.benchmarks.cpu`:

    python -m tests.benchmarks.pairs [--most 100]

Prints, for each pair, its share of all instructions executed, and semantic and constants of both. The interpreter runs
them alone, and each block's first Op counts how often it is entered; `node/ia32/pairs.py` has its list from here.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from node.domain.boot_files import LinuxFiles
from node.domain.native import INTERPRETER
from node.ia32.blocks import BLOCK_BYTES, ENTRY_HANDLER, FALL_HANDLER, REGION_KEY, block_at, op_at
from node.ia32.handlers import handlers
from node.ia32.joining import number_of
from node.ia32.state import M32, OP_BYTES
from node.jit.object_cache import silent
from node.vmm.machine import Machine
from protos.common_pb2 import VmSpec
from tests.benchmarks.cpu.debian import ERRAND_S, ERRANDS, MEMORY_MIB
from tests.support.debian import debian_image
from tests.support.engine import cache_directory
from tests.support.foreground_guest import PROMPT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=100, help="how many pairs to print")
    most = parser.parse_args().most
    with tempfile.TemporaryDirectory() as scratch:
        image = debian_image(Path(scratch))
        initrd = image.initrd.read_bytes() if image.initrd else None
        files = LinuxFiles(image.kernel.read_bytes(), initrd, image.command_line)
    INTERPRETER.load(cache_directory(), silent)
    spec = VmSpec(memory_bytes=MEMORY_MIB << 20, vmm="native", cpu="pentium4", clock="real")
    machine = INTERPRETER.build(spec, files, incoming=False)
    assert isinstance(machine, Machine)
    _run_errands(machine)
    _print(list(_entered_blocks(machine)), most)


def _run_errands(machine: Machine) -> None:
    thread = INTERPRETER.thread(machine, lambda stopped: print(stopped.text), lambda: None)
    thread.start()
    at = _wait(machine, PROMPT, 0)
    for errand in ERRANDS:
        thread.serial_input(f"{errand.prepare}; {errand.command}; echo end-of-'errand'\n".encode())
        at = _wait(machine, "end-of-errand\r\n", at)
    thread.stop()


def _wait(machine: Machine, text: str, start: int) -> int:
    """Until the guest has written it, from console offset `start` on; returns where the console ends then."""
    end = time.monotonic() + ERRAND_S
    while time.monotonic() < end:
        if text.encode() in machine.console.read(start)[1]:
            return machine.console.total
        time.sleep(0.1)
    raise TimeoutError(f"no {text!r}; the guest said {machine.console.read(start)[1][-500:]!r}")


def _entered_blocks(machine: Machine) -> Iterator[tuple[int, list[int]]]:
    """How often each was entered, and the numbers of its handlers."""
    m = machine.processor.machine
    for index in range(m.blocks_used):
        block = block_at(m.blocks + index * BLOCK_BYTES)
        if block.key < REGION_KEY and number_of(op_at(block.ops)) == ENTRY_HANDLER:
            yield (m.glance - int(op_at(block.ops).disp)) & M32, list(_handlers(block.ops + OP_BYTES))


def _handlers(ops: int) -> Iterator[int]:
    while (number := number_of(op_at(ops))) != FALL_HANDLER:
        yield number
        ops += OP_BYTES


def _print(blocks: list[tuple[int, list[int]]], most: int) -> None:
    pairs: Counter[tuple[int, int]] = Counter()
    for times, numbers in blocks:
        for first, second in pairwise(numbers):
            handler = handlers()[first]
            if handler is not None and handler.ends == "":
                pairs[first, second] += times
    executed = sum(times * len(numbers) for times, numbers in blocks)
    for (first, second), times in pairs.most_common(most):
        print(f"{100 * times / executed:5.2f} %  {_name(first):28} {_name(second)}")


def _name(number: int) -> str:
    handler = handlers()[number]
    return f"{handler.semantic.__name__}{handler.constants}" if handler is not None else str(number)


if __name__ == "__main__":
    main()
