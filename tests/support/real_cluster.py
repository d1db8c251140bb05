"""A cluster of real processes under a directory of its own, driven through the real command line.

The nodes run twin machines (tests/support/twin_machine.py), so no test waits for an interpreter to be compiled; every
other part is the product's own. A test that wants real guests says `native=True`, and shares one compiled interpreter
with the others. Leaving the context takes everything down and finds nothing left.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.cli.processes import Process, alive, end, marked
from controller.cli.schema import job_row, vm_row
from controller.cli.session import Session
from controller.cli.state import Part, StateDir
from protos import controller_pb2
from tests.support import native_cache

ROOT = Path(__file__).resolve().parents[2]
MACHINERY = "tests.support.twin_machine:MACHINERY"
COMMAND_S = 60.0
COMPILED_S = 500.0  # a command that may have to compile the interpreter first
BOUND_S = 30.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: exit status, stdout, stderr."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class RealCluster:
    """One state directory."""

    state: StateDir
    scratch: Path
    native: bool = False

    def limosa(self, *arguments: str, status: int | None = 0) -> Ran:
        """Run `limosa …`; unless `status` is None, it must end so."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=COMPILED_S if self.native else COMMAND_S,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert status is None or ran.status == status, f"limosa {' '.join(arguments)} ended {ran.status}: {ran.err}"
        return ran

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "controller.cli.entry", *arguments]

    def interruptible(self, *arguments: str) -> list[str]:
        """Ctrl-C reaches it even where the tests run in the background of a shell, which hides that from its jobs."""
        return ["env", "--default-signal=INT", *self.command(*arguments)]

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LIMOSA_")}
        return kept | {"LIMOSA_STATE_DIR": str(self.state.root), "NO_COLOR": "1"}

    def up(self, nodes: int = 2, status: int | None = 0) -> Ran:
        machinery = () if self.native else ("--machinery", MACHINERY)
        return self.limosa("up", "--nodes", str(nodes), *machinery, status=status)

    def start(self, name: str, node: str, *words: str) -> None:
        """Create and start a VM whose twin machine runs these words."""
        program = self.scratch / f"{name}.elf"
        program.write_bytes(b"\x7fELF " + " ".join(words).encode())
        self.limosa("create", name, "--kernel", str(program), "--memory", "16M", "--node", node, "--start")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A conversation with the controller, as each command has one."""
        session = Session(self.part("controller").address)
        try:
            yield session
        finally:
            session.close()

    def vm(self, name: str) -> Any:
        """What `limosa info -o json` shows; asked for without a process, because tests wait for what it says."""
        with self.session() as session:
            return vm_row(session.call("GetVm", controller_pb2.VmRequest(vm=name)))

    def vms(self) -> list[str]:
        """What `limosa list -q` shows."""
        with self.session() as session:
            return [vm.spec.name for vm in session.call("ListVms", controller_pb2.ListVmsRequest()).vms]

    def job(self, name: str) -> Any:
        """What `limosa job -o json` shows."""
        with self.session() as session:
            return job_row(session.call("GetJob", controller_pb2.JobRequest(job=name)))

    def jobs(self) -> list[Any]:
        """What `limosa jobs -o json` shows."""
        with self.session() as session:
            return [job_row(job) for job in session.call("ListJobs", controller_pb2.ListJobsRequest()).jobs]

    def part(self, name: str) -> Part:
        cluster = self.state.load()
        assert cluster is not None
        return cluster.parts[name]

    def kill(self, name: str) -> None:
        """kill -9, and wait until it has happened."""
        part = self.part(name)
        assert not end([Process(part.pid, part.start_ticks)], number=signal.SIGKILL, within_s=BOUND_S)

    def emptied(self, nodes: int = 2) -> None:
        """As it came up: what was killed is there again, no migration runs, no VM is left, nor a process of one."""
        self.up(nodes)
        for job in self.jobs():
            if job["state"] == "running":
                self.limosa("cancel", job["id"], status=None)  # it may have ended meanwhile
                self.limosa("job", job["id"], "wait", status=None)
        for name in self.vms():
            self.limosa("destroy", name)
        self.until(lambda: not self.domains())

    def domains(self) -> list[Process]:
        """The processes that hold VMs, wherever they are."""
        return [process for process in self.processes() if _comm(process.pid).startswith("vm:")]

    def processes(self) -> list[Process]:
        return marked(cluster_id="", state=self.state.root)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + BOUND_S
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.05)

    def assert_nothing_left(self) -> None:
        assert [p for p in self.processes() if alive(p)] == []
        assert not self.state.cluster.exists()


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:  # it has ended
        return ""


@contextmanager
def real_cluster(path: Path, *, nodes: int = 2, native: bool = False) -> Iterator[RealCluster]:
    """Up with `nodes` nodes (0: not up), and down at the end."""
    cluster = RealCluster(StateDir(path / "state"), path, native)
    if native:
        native_cache.share_with(cluster.state.root)
    try:
        if nodes:
            cluster.up(nodes)
        yield cluster
        cluster.limosa("down")
        cluster.assert_nothing_left()
    finally:
        end(cluster.processes(), number=signal.SIGKILL, within_s=BOUND_S)
