"""The figures of README.md, measured here and now: each line names what it is, what was found, and the target.

    python -m tests.benchmarks.figures [--only compile,boot,speed,create,idle,warm-up,endurance] [--migrations 50]

Asserts none of them; a migration that fails is an error, a slow one a figure. Where Debian's kernels cannot be had
(no apt, no network), the lines that need them say so. Wall-clock figures are those of the machine as loaded as it is,
so the load is printed first.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from controller.cli.demo import check_dirty
from controller.cli.tap import ConsoleTap
from tests.benchmarks import warm_up
from tests.support import endurance
from tests.support.debian import debian_image
from tests.support.engine import cache_directory
from tests.support.foreground_guest import COMPILED_S, PROMPT, READY_S, ForegroundGuest, state_with_image
from tests.support.guest_shell import LINE_S, Shell
from tests.support.node_process import ROOT
from tests.support.real_cluster import RealCluster, real_cluster

HASHED_MIB = 16
BOOTS = 3
CREATED = 10
IDLE_MIGRATIONS = 20
WARMED_UP = 5
RUNNING_ON = ("--node", "n1", "--start")


def line(what: str, found: str, target: str) -> None:
    print(f"{what:<58} {found:<46} target: {target:<16} load {os.getloadavg()[0]:.1f}", flush=True)


def compile_time(scratch: Path, options: argparse.Namespace) -> None:
    """Into an empty cache; afterwards every other figure uses what was compiled."""
    cache = made(scratch / "native")
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "node.jit.build", str(cache)], cwd=ROOT, stdout=subprocess.DEVNULL, check=True
    )
    line("first ever compile of the interpreter", f"{time.monotonic() - begun:.1f} s", "≤ 90 s")
    shutil.copytree(cache, cache_directory(), dirs_exist_ok=True)


def boots(scratch: Path, options: argparse.Namespace) -> None:
    for name in ("debian-12", "debian-12-686"):
        state, _ = state_with_image(scratch / name, name)
        taken, cpu_taken = zip(*(boot_to_shell(state, name) for _ in range(BOOTS)), strict=True)
        found = f"{statistics.median(taken):.1f} s ({statistics.median(cpu_taken):.1f} s of CPU, {BOOTS} times)"
        line(f"limosa boot to the shell, {name}", found, "≤ 10 s")


def boot_to_shell(state: Path, name: str) -> tuple[float, float]:
    """Seconds from the command to the prompt, and of CPU."""
    begun = time.monotonic()
    with ForegroundGuest(state, "--image", name) as guest:
        guest.wait_for(PROMPT, COMPILED_S)
        taken, cpu = time.monotonic() - begun, psutil.Process(guest.process.pid).cpu_times()
    return taken, float(cpu.user + cpu.system)


def speed(scratch: Path, options: argparse.Namespace) -> None:
    with debian(scratch / "speed") as (c, shell):
        shell.run(f"dd if=/dev/zero of=/tmp/z bs=1M count={HASHED_MIB} 2>/dev/null; sha256sum /bin/busybox")
        before, cpu_before = c.vm("a"), cpu_s(c)
        shell.run("sha256sum /tmp/z")
        executed, cpu = c.vm("a")["instructions"] - before["instructions"], cpu_s(c) - cpu_before
    found = f"{executed / cpu / 1e6:.0f} M a CPU second ({executed / 1e6:.0f} M in {cpu:.1f} s)"
    line(f"guest instructions, busybox sha256sum of {HASHED_MIB} MiB", found, "≥ 100 M a second")


def creation(scratch: Path, options: argparse.Namespace) -> None:
    guests = {"built-in guest": ("--append", "idle")}
    with suppress(pytest.skip.Exception):
        debian_image(made(scratch) / "state")
        guests["debian-12"] = ("--image", "debian-12")
    with real_cluster(scratch, nodes=1, native=True) as c:
        for guest, what in guests.items():
            warm = [first_instruction_ms(c, what) for _ in range(CREATED + 1)][1:]
            found = f"{statistics.median(warm):.1f} ms (worst {max(warm):.1f}, {CREATED} times)"
            line(f"create to the first instruction, {guest}, template warm", found, "≤ 150 ms")


def first_instruction_ms(c: RealCluster, what: tuple[str, ...]) -> float:
    c.limosa("create", "short", *what, "--memory", "128M", "--start")
    taken = c.vm("short")["create_to_first_instruction_ns"] / 1e6
    c.limosa("destroy", "short")
    return float(taken)


def idle(scratch: Path, options: argparse.Namespace) -> None:
    with debian(scratch / "idle") as (c, _), c.session() as session:
        rows = endurance.to_and_fro(session, "a", [{"algorithm": "pre-copy"}] * IDLE_MIGRATIONS)
    for name, target in (("downtime_ns", "≤ 50 ms"), ("total_ns", "≤ 1500 ms")):
        values = [row[name] / 1e6 for row in rows]
        found = f"{statistics.median(values):.1f} ms (worst {max(values):.1f}, {len(values)} times)"
        line(f"idle Debian, 128 MiB, loopback, pre-copy: {name.removesuffix('_ns')}", found, target)


def warming(scratch: Path, options: argparse.Namespace) -> None:
    subprocess.run([sys.executable, "-m", "tests.support.engine"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    for guest in warm_up.guests(made(scratch)):
        row = asyncio.run(warm_up.measured(guest, scratch / guest.name, WARMED_UP))
        for target, taken_s in (("cold", row.cold_s), ("warm", row.warm_s)):
            found = f"{statistics.median(taken_s) * 1e3:.0f} ms (worst {max(taken_s) * 1e3:.0f}, {WARMED_UP} times)"
            speed = f"{row.instructions_per_s / 1e6:.0f} M/s"
            line(f"migrated {guest.name}: at 90 % of {speed}, target {target}", found, "none")


def long_runs(scratch: Path, options: argparse.Namespace) -> None:
    with debian(scratch / "busy", "--memory", "64M") as (c, shell), c.session() as session:
        shell.begin(endurance.COPIES)
        shell.begin(endurance.LOOP)
        shell.until("loop 3\r\n")
        rows = endurance.to_and_fro(session, "a", endurance.busy_debian(options.migrations))
    for algorithm in ("pre-copy", "stop-and-copy"):
        chosen = [row for row in rows if row["algorithm"] == algorithm]
        if chosen:
            line("busy Debian, 64 MiB", endurance.summary(chosen), "all verified")
    with real_cluster(made(scratch / "dirty"), native=True) as c:
        c.limosa("create", "a", "--append", endurance.DIRTY, "--memory", "48M", *RUNNING_ON)
        with c.session() as session:
            tap = ConsoleTap(session, "a")
            tap.until(lambda output: b"seq=1 " in output, LINE_S)
            rows = endurance.to_and_fro(session, "a", [endurance.DIRTY_PRE_COPY] * options.migrations)
            verdict = check_dirty(tap.received())
    line(f"built-in guest, {endurance.DIRTY}", endurance.summary(rows), "all verified, ≥ 3 rounds each")
    print(verdict)


@contextmanager
def debian(scratch: Path, *options: str) -> Iterator[tuple[RealCluster, Shell]]:
    """Two nodes, and Debian at its shell's prompt on the first."""
    debian_image(made(scratch) / "state")
    with real_cluster(scratch, native=True) as c:
        c.limosa("create", "a", "--image", "debian-12", *(options or ("--memory", "128M")), *RUNNING_ON)
        with c.session() as session:
            shell = Shell(ConsoleTap(session, "a"))
            shell.until(PROMPT, READY_S)
            yield c, shell


def cpu_s(c: RealCluster) -> float:
    """What the VM's process has used so far."""
    times = psutil.Process(c.vm("a")["pid"]).cpu_times()
    return float(times.user + times.system)


def made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


FIGURES: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "compile": compile_time,
    "boot": boots,
    "speed": speed,
    "create": creation,
    "idle": idle,
    "warm-up": warming,
    "endurance": long_runs,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the figures of README.md.")
    parser.add_argument("--only", default=",".join(FIGURES), metavar="NAMES", help="some of: %(default)s")
    parser.add_argument("--migrations", type=int, default=50, metavar="N", help="of the long runs (default: 50)")
    options = parser.parse_args()
    unknown = set(options.only.split(",")) - FIGURES.keys()
    if unknown:
        parser.error(f"no figures named {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} before we began")
    with tempfile.TemporaryDirectory(prefix="limosa-figures-") as directory:
        for name in options.only.split(","):
            try:
                FIGURES[name](Path(directory) / name, options)
            except pytest.skip.Exception as absent:
                line(name, "not measured", f"({absent})")


if __name__ == "__main__":
    main()
