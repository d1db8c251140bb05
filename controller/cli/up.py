"""`limosa up`: a cluster of real processes on this machine, storage first, then the controller, then the nodes.

Each part is written to cluster.json before it is waited for, so `down` finds it whatever happens next. A second `up`
looks at every part, says what runs, and starts again what does not: storage and controller at their old addresses,
which others know; nodes anywhere, for they announce themselves. Every wait is bounded and ends early when the process
has; the message then names the part and shows the end of its log.
"""

import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.compiling import Compiling
from controller.cli.down import take_down
from controller.cli.health import serving
from controller.cli.output import message
from controller.cli.processes import Process, alive, spawn, tail
from controller.cli.session import Session
from controller.cli.state import ClusterFile, Part, StateDir, state_dir
from controller.cli.units import format_ns
from controller.errors import ControllerError, Internal, Usage

SERVICE_WAIT_S = 30.0
NODE_WAIT_S = 620.0  # the first ever start compiles the interpreter; the node itself gives up at 600
SAY_EVERY_S = 5.0
POLL_S = 0.05
LOG_LINES = 15
NODES_MAX = 64
HOST = "127.0.0.1"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Starting:
    """A part that was started and is not ready yet."""

    part: Part
    log: Path
    address_file: Path
    metrics_file: Path
    began: float


class PartFailed(Internal):
    """A process of the cluster ended or did not become ready in time."""


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=1, max=NODES_MAX, help="How many nodes.")] = 2,
    machinery: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Start a cluster on this machine, or repair the one that is there.

    \b
    limosa up --nodes 3
    limosa create a --append 'dirty rate=2000 pages=4000' --start
    limosa migrate a n2
    limosa down
    """
    state = state_dir()
    try:
        bring_up(state, nodes, message, machinery=machinery)
    except PartFailed as error:
        logs = state.logs if state.logs.exists() else state.last_logs
        raise PartFailed(f"{error}\n(all logs: {logs})") from error


def bring_up(state: StateDir, nodes: int, say: Say, *, machinery: str = "") -> ClusterFile:
    """Start what is missing; an `up` that cannot start a new cluster leaves nothing of it.

    `machinery` names what the nodes run guests with, if not the product's own (see node.domain.machinery).
    """
    if not 1 <= nodes <= NODES_MAX:
        raise Usage(f"--nodes {nodes}: it must be 1 to {NODES_MAX}")
    with state.lock():
        cluster = state.load()
        fresh = cluster is None
        if cluster is None:
            cluster = _new_cluster(state)
        try:
            with contextlib.nullcontext() if machinery else Compiling(state.root / "cache" / "native") as compiling:
                started = _start_missing(state, cluster, nodes, machinery, say, compiling)
        except (ControllerError, KeyboardInterrupt, OSError):
            if fresh:
                take_down(state, lambda _: None)
            raise
    if not started:
        address = cluster.parts["controller"].address
        say(f"the cluster is up already: {len(cluster.nodes)} nodes, controller at {address}")
    return cluster


def _new_cluster(state: StateDir) -> ClusterFile:
    for directory in (state.cluster, state.logs, state.addresses):
        directory.mkdir(parents=True, exist_ok=True)
    cluster = ClusterFile(secrets.token_hex(8))
    state.save(cluster)
    state.token.touch(mode=0o600)
    state.token.write_text(secrets.token_hex(16) + "\n")
    return cluster


def _start_missing(
    state: StateDir, cluster: ClusterFile, nodes: int, machinery: str, say: Say, compiling: Compiling | None
) -> int:
    """How many parts had to be started. The nodes come last: they need what is being compiled meanwhile."""
    started = 0
    for name, arguments in (
        ("storage", _storage_arguments),
        ("controller", _controller_arguments),
    ):
        if not _serves(cluster.parts.get(name)):
            starting = _start(state, cluster, name, name, arguments(state, cluster))
            _await_service(state, cluster, starting, say)
            started += 1
    if compiling is not None:
        compiling.finish(say)
    wanted = dict.fromkeys([*cluster.nodes, *(f"n{i}" for i in range(1, nodes + 1))])
    missing = [name for name in wanted if not _lives(cluster.parts.get(name))]
    chosen = ["--machinery", machinery] if machinery else []
    starting_nodes = [
        _start(state, cluster, name, "node", [*_node_arguments(state, cluster, name), *chosen]) for name in missing
    ]
    _await_nodes(state, cluster, list(wanted), starting_nodes, say)
    return started + len(missing)


def _storage_arguments(state: StateDir, cluster: ClusterFile) -> list[str]:
    return ["--state", str(state.root), "--listen", _old_address(cluster, "storage")]


def _controller_arguments(state: StateDir, cluster: ClusterFile) -> list[str]:
    return [
        *("--state", str(state.root)),
        *("--listen", _old_address(cluster, "controller")),
        *("--storage", cluster.parts["storage"].address),
        *("--token-file", str(state.token)),
        *("--cluster-id", cluster.id),
    ]


def _node_arguments(state: StateDir, cluster: ClusterFile, name: str) -> list[str]:
    return [
        *("--name", name),
        *("--state", str(state.root)),
        *("--listen", f"{HOST}:0"),
        *("--controller", cluster.parts["controller"].address),
        *("--token-file", str(state.token)),
    ]


def _metrics_file(state: StateDir, name: str) -> Path:
    return state.addresses / f"{name}.metrics"


def _old_address(cluster: ClusterFile, name: str) -> str:
    part = cluster.parts.get(name)
    return part.address if part is not None and part.address else f"{HOST}:0"


def _start(state: StateDir, cluster: ClusterFile, name: str, kind: str, arguments: list[str]) -> Starting:
    """Start one part and write it down."""
    address_file, metrics_file = state.addresses / name, _metrics_file(state, name)
    log = state.logs / f"{name}.log"
    for file in (address_file, metrics_file):
        file.unlink(missing_ok=True)
    process = spawn(
        kind,
        [
            *arguments,
            *("--address-file", str(address_file)),
            *("--metrics", f"{HOST}:0", "--metrics-address-file", str(metrics_file)),
        ],
        log=log,
        cluster_id=cluster.id,
        state=state.root,
    )
    part = Part(
        name, kind, process.pid, process.start_ticks, _old_address(cluster, name) if name in cluster.parts else ""
    )
    cluster.parts[name] = part
    state.save(cluster)
    return Starting(part, log, address_file, metrics_file, time.monotonic())


def _await_service(state: StateDir, cluster: ClusterFile, starting: Starting, say: Say) -> None:
    """Storage or controller: until its address is known and its health is good."""

    def ready() -> bool:
        return starting.address_file.exists() and serving(_read(starting.address_file), timeout_s=1.0)

    _await(starting, ready, SERVICE_WAIT_S, say)
    _known(state, cluster, starting, say)


def _await_nodes(state: StateDir, cluster: ClusterFile, wanted: list[str], starting: list[Starting], say: Say) -> None:
    """Until every node has joined; those that run already may have to find a restarted controller again."""
    from protos import controller_pb2

    session = Session(cluster.parts["controller"].address)
    try:

        def joined(name: str) -> bool:
            reply = session.call("ListNodes", controller_pb2.ListNodesRequest())
            new = next((s for s in starting if s.part.name == name), None)
            return any(
                node.name == name and node.state == "ready" and (new is None or _read(new.address_file) == node.address)
                for node in reply.nodes
            )

        for entry in starting:
            _await(entry, lambda entry=entry: joined(entry.part.name), NODE_WAIT_S, say)  # type: ignore[misc]
            _known(state, cluster, entry, say)
        for name in wanted:
            part, log, file = cluster.parts[name], state.logs / f"{name}.log", state.addresses / name
            running = Starting(part, log, file, _metrics_file(state, name), time.monotonic())
            _await(running, lambda name=name: joined(name), SERVICE_WAIT_S, say)  # type: ignore[misc]
    finally:
        session.close()


def _await(starting: Starting, ready: Callable[[], bool], bound_s: float, say: Say) -> None:
    """Wait for a part, and say from time to time what it last wrote."""
    process = Process(starting.part.pid, starting.part.start_ticks)
    next_word = time.monotonic() + SAY_EVERY_S
    until = time.monotonic() + bound_s
    while not ready():
        if not alive(process):
            raise PartFailed(_failure(starting, "ended before it was ready"))
        if time.monotonic() > until:
            raise PartFailed(_failure(starting, f"was not ready within {bound_s:.0f} s"))
        if time.monotonic() > next_word:
            next_word += SAY_EVERY_S
            say(f"{starting.part.name:<12}not ready yet: {tail(starting.log, 1) or 'no word from it'}")
        time.sleep(POLL_S)


def _known(state: StateDir, cluster: ClusterFile, starting: Starting, say: Say) -> None:
    """The part is ready: write its addresses down."""
    part = replace(starting.part, address=_read(starting.address_file), metrics=_read(starting.metrics_file))
    cluster.parts[part.name] = part
    state.save(cluster)
    took = format_ns(int((time.monotonic() - starting.began) * 1e9))
    say(f"{part.name:<12}ready at {part.address} after {took}")


def _failure(starting: Starting, what: str) -> str:
    last = tail(starting.log, LOG_LINES) or "(it wrote nothing)"
    return f"{starting.part.name} {what}; the end of its log:\n{last}"


def _read(address_file: Path) -> str:
    """The address that a part has written; "" if it has not."""
    try:
        return address_file.read_text().strip()
    except FileNotFoundError:
        return ""


def _lives(part: Part | None) -> bool:
    return part is not None and bool(part.address) and alive(Process(part.pid, part.start_ticks))


def _serves(part: Part | None) -> bool:
    """Alive is not enough for those whom others call: a process that hangs is replaced."""
    return part is not None and _lives(part) and serving(part.address, timeout_s=5.0)
