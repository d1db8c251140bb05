"""Measures the CPU beside QEMU's TCG: `make bench-cpu`, or python -m tests.benchmarks.cpu --help.

Medians, their spread, ratios and geometric means; where QEMU is not installed, our own figures alone.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.benchmarks.cpu import summary
from tests.benchmarks.cpu.campaign import DEBIAN, Campaign, machines_here
from tests.benchmarks.cpu.machines import qemu_version
from tests.benchmarks.cpu.measure import Failed
from tests.benchmarks.cpu.programs import PROGRAMS
from tests.benchmarks.cpu.summary import Row


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    names = [*(program.name for program in PROGRAMS), DEBIAN]
    parser = argparse.ArgumentParser(prog="bench-cpu", description="Measure Limosa's CPU beside QEMU's TCG.")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"some of: {', '.join(names)} (default: all)")
    parser.add_argument("-r", "--repetitions", type=int, default=5, metavar="N", help="runs of each (default: 5)")
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="X", help="so much of the programs' size, which is 1 s in QEMU"
    )
    parser.add_argument(
        "--core", type=int, default=max(os.sched_getaffinity(0)), help="the host's core to run on (default: the last)"
    )
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: where others use the core too")
    parser.add_argument(
        "--machine", dest="machines", action="append", metavar="NAME", help="limosa, no-jit or qemu only"
    )
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="json: the table on stderr")
    options = parser.parse_args(argv)
    if unknown := set(options.programs) - set(names):
        parser.error(f"there is no program {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    if options.repetitions < 1 or options.scale <= 0:
        parser.error("repetitions and scale must be positive")
    if options.core not in os.sched_getaffinity(0):
        parser.error(f"core {options.core} is not one that this process may use")
    options.programs = options.programs or names
    return options


def measure_all(campaign: Campaign, options: argparse.Namespace, scratch: Path) -> tuple[list[Row], list[Row]]:
    """The rows of the programs and those of Debian, told as they come."""

    def tell(text: str) -> None:
        print(text, file=sys.stderr if options.output == "json" else sys.stdout, flush=True)

    names = [machine.name for machine in campaign.machines]
    rows: list[Row] = []
    tell(f"{host()['cpu']}, load {os.getloadavg()[0]:.1f} before we began; {qemu_version() or 'QEMU is not installed'}")
    tell(f"medians of {options.repetitions} runs, {options.clock} time, core {options.core}")
    tell(summary.heading(names))
    for program in PROGRAMS:
        if program.name in options.programs:
            rows.append(campaign.measure(program))
            tell(summary.line(rows[-1], names, options.clock))
    for text in (*summary.mean_lines(rows, names, options.clock), *summary.translator_lines(rows, names[0])):
        tell(text)
    stock: list[Row] = []
    if DEBIAN in options.programs:
        try:
            stock = campaign.measure_debian(scratch, tell)
        except pytest.skip.Exception as absent:
            tell(f"{DEBIAN}: not measured ({absent})")
        for row in stock:
            tell(summary.line(row, names, options.clock))
    return rows, stock


def host() -> dict[str, object]:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    cpu = models[0].partition(":")[2].strip() if models else platform.machine()
    return {"cpu": cpu, "cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version()}


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="limosa-bench-cpu-") as directory:
        scratch = Path(directory)
        machines = [m for m in machines_here(scratch) if m.name in (options.machines or [m.name])]
        if not machines:
            sys.exit(f"none of the machines {', '.join(options.machines)} is here")
        campaign = Campaign(tuple(machines), options.repetitions, options.core, options.scale)
        before = host()
        try:
            rows, stock = measure_all(campaign, options, scratch)
        except Failed as error:
            sys.exit(f"bench-cpu: {error}")
    if options.output == "json":
        means = summary.means(rows, [machine.name for machine in machines], options.clock)
        found = {"host": before, "qemu": qemu_version(), "scale": options.scale, "geometric_means": means}
        print(json.dumps(found | {"programs": [asdict(row) for row in rows], "debian": [asdict(row) for row in stock]}))


if __name__ == "__main__":
    main()
