"""The product's figures, measured here and now: `python -m tests.benchmarks.figures`.

One line a figure, with what the first issue asked of it. Everything goes through the commands that a user types; times
are medians, and the host's load is printed beside them, because it changes them.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.engine import cache_directory

LIMOSA = (sys.executable, "-m", "controller.cli.main")
BOUND_S = 300.0
IMAGES = ("debian-12", "debian-12-686")
READY, PROMPT = b" ready after ", b":/# "


class Limosa:
    """The command, over one state directory."""

    def __init__(self, state: Path) -> None:
        self.environment = {**os.environ, "LIMOSA_STATE_DIR": str(state), "NO_COLOR": "1"}

    def run(self, *arguments: str) -> str:
        ended = subprocess.run(
            [*LIMOSA, *arguments], env=self.environment, capture_output=True, text=True, timeout=BOUND_S, check=False
        )
        if ended.returncode:
            raise SystemExit(f"limosa {' '.join(arguments)}: {ended.stderr}")
        return ended.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        found = json.loads(self.run(*arguments, "-o", "json"))
        return dict(found[0] if isinstance(found, list) else found)

    @contextmanager
    def piped(self, *arguments: str) -> Iterator["Dialogue"]:
        """A command with a guest's serial port on its standard input and output."""
        process = subprocess.Popen(
            [*LIMOSA, *arguments], env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        try:
            yield Dialogue(process)
        finally:
            process.kill()
            process.wait()


class Dialogue:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None and process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self._heard = b""

    def until(self, text: bytes) -> None:
        deadline = time.monotonic() + BOUND_S
        while text not in self._heard:
            assert time.monotonic() < deadline, f"no {text!r} in {self._heard[-500:]!r}"
            self._heard += os.read(self._out.fileno(), 65536) or b"\n(end of output)\n"
        self._heard = self._heard.partition(text)[2]

    def type(self, line: str) -> None:
        self._in.write(line.encode() + b"\n")


def say(what: str, figure: str, asked: str) -> None:
    print(f"{what:<58} {figure:>22}   asked: {asked:<16} load {os.getloadavg()[0]:.1f}", flush=True)


def compile_time() -> None:
    with tempfile.TemporaryDirectory() as cache:
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "node.jit.build", cache], stdout=subprocess.DEVNULL, check=True)
        say("first ever compile of the interpreter", f"{time.monotonic() - began:.1f} s", "≤ 90 s")


def boots(limosa: Limosa) -> None:
    for image in IMAGES:
        times = []
        for _ in range(3):
            began = time.monotonic()
            with limosa.piped("boot", "--image", image) as guest:
                guest.until(READY)
                guest.until(PROMPT)
                times.append(time.monotonic() - began)
        say(f"command to shell, {image}, 3 boots", f"{statistics.median(times):.2f} s", "≤ 10 s")


def creates(limosa: Limosa, image: str, count: int) -> None:
    times = []
    for _ in range(count):
        limosa.run("create", "short", *(("--image", image) if image else ()), "--start")
        times.append(limosa.json("info", "short")["create_to_first_instruction_ns"] / 1e6)
        limosa.run("destroy", "short")
    name = image or "built-in guest"
    say(f"create to first instruction, {name}, {count} times", f"{statistics.median(times):.0f} ms", "≤ 150 ms")


def instructions_per_second(limosa: Limosa) -> None:
    with limosa.piped("console", "deb") as guest:
        guest.until(READY)
        guest.until(PROMPT)
        guest.type("dd if=/dev/zero of=/16M bs=1M count=16 2>/dev/null; echo writt''en")
        guest.until(b"written")
        rates = []
        for _ in range(3):
            before, began = limosa.json("info", "deb")["instructions"], time.monotonic()
            guest.type("sha256sum /16M; echo do''ne")
            guest.until(b"done")
            duration = time.monotonic() - began
            rates.append((limosa.json("info", "deb")["instructions"] - before) / duration / 1e6)
        guest.type("rm /16M")
    say("instructions a second, sha256sum of 16 MiB, 3 times", f"{statistics.median(rates):.0f} M", "≥ 100 M")


def migrations(limosa: Limosa, count: int) -> None:
    downtimes, totals = [], []
    for i in range(count):
        job = limosa.json("migrate", "deb", "n2" if i % 2 == 0 else "n1")
        downtimes.append(job["downtime_ns"] / 1e6)
        totals.append(job["total_ns"] / 1e6)
    what = f"idle Debian, 128 MiB, {count} pre-copy migrations"
    say(f"{what}: downtime", f"{statistics.median(downtimes):.1f} ms", "≤ 50 ms")
    say(f"{what}: total", f"{statistics.median(totals):.0f} ms", "≤ 1500 ms")


def main() -> None:
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()}")
    compile_time()
    with tempfile.TemporaryDirectory(prefix="limosa-figures-") as directory:
        state = Path(directory)
        (state / "cache").mkdir()
        cache_directory().mkdir(parents=True, exist_ok=True)
        (state / "cache" / "native").symlink_to(cache_directory())
        limosa = Limosa(state)
        limosa.run("image", "pull", "debian-12")  # says so, and what to do, where there is no apt
        boots(limosa)
        limosa.run("up", "--nodes", "2")
        try:
            creates(limosa, "", 10)
            creates(limosa, "debian-12", 10)
            limosa.run("create", "deb", "--image", "debian-12", "--memory", "128M", "--node", "n1", "--start")
            instructions_per_second(limosa)
            migrations(limosa, 20)
        finally:
            limosa.run("down")


if __name__ == "__main__":
    main()
