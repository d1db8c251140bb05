"""`limosa demo`: a running guest moves to another node and back, before your eyes, and the two ways are compared.

A private cluster under a temporary state directory (the compiled interpreter and the images of the usual one are
shared), one guest that keeps writing to its memory, pre-copy there, stop-and-copy back, both reports side by side, two
sentences made of the measured figures, and the guest's own verdict on its memory. Then everything is taken down.
"""

import itertools
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli.down import take_down
from controller.cli.migrate import finish, follow
from controller.cli.output import Format, message
from controller.cli.report import side_by_side, verdict
from controller.cli.session import CREATE_TIMEOUT_S, Session
from controller.cli.state import StateDir, state_dir
from controller.cli.tap import ConsoleTap
from controller.cli.units import format_bytes, format_ns
from controller.cli.up import bring_up
from controller.errors import Internal

BUILT_IN = "dirty rate=2000 pages=4000"
LINUX_LOOP = "i=0; while :; do i=$((i+1)); echo loop $i; done\n"
LINUX_READY = re.compile(rb"[#$] (\x1b\[6n)?$")  # busybox's shell asks for the cursor's place after its prompt
BANDWIDTH_BYTES_PER_S = 12_500_000  # 100 Mbit/s, where Clark et al. 2005 begin: slow enough to watch pre-copy converge
SHOWN_LINES = 3
LINE_WAIT_S = 60.0
BOOT_WAIT_S = 180.0
VM = "demo"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Guest:
    """What the demonstration boots, and how to tell that it is well."""

    image: str
    append: str
    typed: str
    check: Callable[[bytes], str]  # a sentence; raises if the guest's own check found something


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    image: Annotated[
        str, typer.Option(metavar="I", help="Boot this image instead, with a busy loop in its shell.")
    ] = "",
) -> None:
    """Watch a running guest move from one node to another and back. Needs nothing that is up.

    \b
    limosa demo
    limosa image pull debian-12 && limosa demo --image debian-12
    """
    guest = Guest(image, "", LINUX_LOOP, check_loop) if image else Guest("", BUILT_IN, "", check_dirty)
    with _private_state() as state, _cluster(state) as session:
        rows = _show(session, guest)
    failed = [row for row in rows if row["state"] != "succeeded"]
    if failed:
        finish(failed[0], Format.TABLE)


def check_dirty(output: bytes) -> str:
    """The built-in guest compares every page with what must be there, and counts."""
    found = re.findall(rb"seq=(\d+) pages=(\d+) written=(\d+) sweeps=(\d+) errors=(\d+)", output)
    if not found:
        raise Internal("the guest said nothing of its memory checks")
    sequence, pages, written, sweeps, errors = (int(number) for number in found[-1])
    _in_order([int(entry[0]) for entry in found], "status lines")
    if errors or b"ERROR" in output:
        raise Internal(
            f"the guest found {errors} wrong pages in its memory:\n{output.decode(errors='replace')[-2000:]}"
        )
    return (
        f"The guest checked its own memory throughout: {pages:,} pages, {written:,} writes, {sweeps} sweeps, "
        f"0 errors; its {sequence} status lines came without gap or repetition."
    )


def check_loop(output: bytes) -> str:
    """The shell's loop counts; its lines must be all there, once."""
    numbers = [int(number) for number in re.findall(rb"^loop (\d+)\r?\n", output, re.MULTILINE)]
    if not numbers:
        raise Internal("the guest's loop printed nothing")
    _in_order(numbers, "lines of the loop")
    return (
        f"The loop in the guest's shell printed {len(numbers):,} lines, {numbers[0]} to {numbers[-1]}, "
        "without gap or repetition."
    )


def explain(pre: Row, stop: Row) -> str:
    """Two sentences on two reports, made of their figures."""
    final = pre["rounds"][-1]
    last = final["pages_normal"] + final["pages_zero"]
    factor = stop["downtime_ns"] / max(1, pre["downtime_ns"])
    compared = f"{factor:.1f} times as long" if factor >= 1 else f"only {factor:.2f} times as long"
    more = pre["bytes_sent"] - stop["bytes_sent"]
    cost = f"{format_bytes(abs(more))} {'more' if more >= 0 else 'less'}"
    return (
        f"Pre-copy sent memory in {len(pre['rounds']) - 1} rounds while the guest ran, and stopped it for "
        f"{format_ns(pre['downtime_ns'])}, because only {last:,} pages were left to send then; stop-and-copy "
        f"stopped it for {format_ns(stop['downtime_ns'])}, {compared}, because everything was sent while it stood "
        "still.\n"
        f"For that, pre-copy sent {format_bytes(pre['bytes_sent'])} in {format_ns(pre['total_ns'])}, {cost} than the "
        f"{format_bytes(stop['bytes_sent'])} in {format_ns(stop['total_ns'])} of stop-and-copy: pages that were "
        "written again after they had been sent had to be sent again."
    )


def _show(session: Session, guest: Guest) -> list[Row]:
    """The demonstration itself."""
    node = _create(session, guest)
    message(f"\nThe guest runs on {node}. Its console:")
    tap = ConsoleTap(session, VM)
    if guest.typed:
        tap.until(lambda output: LINUX_READY.search(output) is not None, BOOT_WAIT_S)
        tap.type(guest.typed.encode())
    _lines(tap)
    rows = []
    for algorithm, target in (("pre-copy", "n2" if node == "n1" else "n1"), ("stop-and-copy", node)):
        message(f"\nlimosa migrate {VM} {target} --algorithm {algorithm} --bandwidth 100Mbit/s")
        row = _migrate(session, target, algorithm)
        message(verdict(row))
        rows.append(row)
        if row["state"] != "succeeded":
            return rows
        message("\nIts console goes on:")
        _lines(tap)
    print(f"\n{side_by_side(rows)}\n\n{explain(*rows)}\n{guest.check(tap.received())}", flush=True)
    return rows


def _create(session: Session, guest: Guest) -> str:
    from protos import common_pb2, controller_pb2

    request = controller_pb2.CreateVmRequest(
        spec=common_pb2.VmSpec(name=VM), image=guest.image, append=guest.append, start=True, node="n1"
    )
    return str(session.call("CreateVm", request, timeout_s=CREATE_TIMEOUT_S).node)


def _migrate(session: Session, target: str, algorithm: str) -> Row:
    from protos import common_pb2, controller_pb2

    options = common_pb2.MigrationOptions(algorithm=algorithm, bandwidth_bytes_per_s=BANDWIDTH_BYTES_PER_S)
    request = controller_pb2.MigrateRequest(vm=VM, target=target, options=options, request_id=secrets.token_hex(8))
    return follow(session, session.call("Migrate", request).id)


def _lines(tap: ConsoleTap) -> None:
    """Show the next lines that the guest writes from now on."""
    begin = len(tap.received())
    output = tap.until(lambda received: received[begin:].count(b"\n") > SHOWN_LINES, LINE_WAIT_S)
    fresh = output[begin:].decode(errors="replace").splitlines()[1:]  # the first may have begun before
    for line in fresh[-SHOWN_LINES:]:
        message(f"  │ {line}")


def _in_order(numbers: Sequence[int], what: str) -> None:
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise Internal(f"the guest's {what} jump from {before} to {after}")


@contextmanager
def _private_state() -> Iterator[StateDir]:
    """A state directory of its own; what is costly to make is shared with the usual one."""
    usual = state_dir().root
    with tempfile.TemporaryDirectory(prefix="limosa-demo-") as directory:
        for shared in ("cache", "images"):
            (usual / shared).mkdir(parents=True, exist_ok=True)
            (Path(directory) / shared).symlink_to(usual / shared)
        yield StateDir(Path(directory))


@contextmanager
def _cluster(state: StateDir) -> Iterator[Session]:
    """Two nodes for the time of the demonstration."""
    began = time.monotonic()
    try:
        cluster = bring_up(state, 2, message)
        message(f"two nodes are up after {format_ns(int((time.monotonic() - began) * 1e9))}")
        session = Session(cluster.parts["controller"].address)
        try:
            yield session
        finally:
            session.close()
    finally:
        with state.lock():
            take_down(state, lambda _: None)
        message("\nThe cluster is down, and nothing of it is left.")
