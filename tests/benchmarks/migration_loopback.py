"""A migration between two processes over loopback TCP, with synthetic memory: prints its figures, asserts none.

    python -m tests.benchmarks.migration_loopback [--mib 128] [--filled 0.4] [--runs 9] [--algorithm pre-copy]
        [--bandwidth BYTES_PER_S] [--dirty-pages-per-s N]

Both processes use the product's own ends, socket link and machine twin; `filled` is the share of pages with content.
"""

import argparse
import asyncio
import os
import statistics
from collections.abc import Callable

import uvloop

from node.domain.page_channel import MonotonicClock, PageListener, Threads, connect
from node.migration.commit import Ready, Verdict
from node.migration.outgoing import Plan
from node.migration.report import Report, unbalanced
from node.migration.source import migrate_out
from node.migration.target import migrate_in
from node.migration.twin import TwinMachine, Writes, run_writer


class Commit:
    async def decide(self, ready: Ready) -> Verdict:
        return Verdict.COMMIT


async def target(ram_bytes: int, tell_port: Callable[[int], None]) -> None:
    machine = TwinMachine(ram_bytes)
    listener = await PageListener.open("127.0.0.1", "token")
    tell_port(listener.port)
    link = await listener.accept()
    await migrate_in(machine, link, "benchmark", clock=MonotonicClock(), workers=Threads())


async def source(machine: TwinMachine, port: int, options: argparse.Namespace) -> Report:
    clock, threads = MonotonicClock(), Threads()
    guest = asyncio.create_task(run_writer(machine, writes(machine, options), clock, seed=1))
    link = await connect("127.0.0.1", port, "token")
    plan = Plan("benchmark", options.algorithm, bandwidth_bytes_per_s=options.bandwidth)
    report = await migrate_out(machine, link, plan, clock=clock, workers=threads, authority=Commit())
    guest.cancel()
    return report


def writes(machine: TwinMachine, options: argparse.Namespace) -> Writes:
    tick_ns = 10_000_000
    return Writes(machine.memory.pages // 4, options.dirty_pages_per_s * tick_ns // 1_000_000_000, tick_ns)


def announce(pipe: int, port: int) -> None:
    os.write(pipe, b"%d" % port)
    os.close(pipe)


def one_run(options: argparse.Namespace) -> Report:
    ram_bytes = options.mib << 20
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        uvloop.run(target(ram_bytes, lambda port: announce(writing, port)))
        os._exit(0)
    os.close(writing)
    machine = TwinMachine(ram_bytes, running=True)
    machine.fill(1, options.filled)
    report = uvloop.run(source(machine, int(os.read(reading, 16)), options))
    os.close(reading)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the target failed"
    machine.memory.close()
    return report


def show(reports: list[Report]) -> None:
    for report in reports:
        parts = "  ".join(f"{part.name} {part.duration_ns / 1e6:.2f}" for part in report.downtime_parts)
        print(
            f"{report.result:10} total {report.total_ns / 1e6:8.1f} ms  downtime {report.downtime_ns / 1e6:6.2f} ms"
            f"  {len(report.rounds)} rounds  {report.bytes_sent / 1e6:7.1f} MB  ({parts})"
        )
        assert not unbalanced(report), unbalanced(report)
    for name, values in (
        ("total", [report.total_ns for report in reports]),
        ("downtime", [report.downtime_ns for report in reports]),
    ):
        print(f"{name}: median {statistics.median(values) / 1e6:.2f} ms, worst {max(values) / 1e6:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mib", type=int, default=128)
    parser.add_argument("--filled", type=float, default=0.4)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--algorithm", default="pre-copy")
    parser.add_argument("--bandwidth", type=int, default=0)
    parser.add_argument("--dirty-pages-per-s", type=int, default=1000)
    options = parser.parse_args()
    show([one_run(options) for _ in range(options.runs)])


if __name__ == "__main__":
    main()
