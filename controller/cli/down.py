"""`limosa down`: the whole cluster ends and leaves nothing, whatever state it was in.

First the recorded processes are asked (SIGTERM, all at once), then whatever carries the cluster's mark is ended, then
its run-time state is removed. Works on a half-dead cluster, on one whose cluster.json is damaged or gone, and when
parts were killed. Images and the compiled interpreter stay; the logs are kept as <state>/logs/last.
"""

import shutil
import signal
from collections.abc import Callable

import typer

from controller.cli.output import message
from controller.cli.processes import Process, end, marked
from controller.cli.state import Corrupt, StateDir, state_dir
from controller.errors import Internal

ASK_S = 8.0
LEAVE_S = 2.0
KILL_S = 5.0


def register(app: typer.Typer) -> None:
    app.command()(down)


def down() -> None:
    """End the cluster of this machine: all VMs, nodes, controller, storage, and their run-time state.

    \b
    limosa down
    """
    state = state_dir()
    with state.lock():
        take_down(state, message)


def take_down(state: StateDir, say: Callable[[str], None]) -> None:
    """End everything; the caller holds the state directory's lock."""
    cluster_id, recorded = "", []
    try:
        cluster = state.load()
    except Corrupt as damaged:
        say(f"{damaged}; looking for its processes by their mark")
        cluster = None
    if cluster is not None:
        cluster_id = cluster.id
        recorded = [Process(part.pid, part.start_ticks) for part in cluster.parts.values()]
    left = set(end(recorded, number=signal.SIGTERM, within_s=ASK_S))
    stray = [process for process in marked(cluster_id=cluster_id, state=state.root) if process not in left]
    left |= set(end(stray, number=signal.SIGTERM, within_s=LEAVE_S))
    # Looked for anew: while the others ended, one of them may have started another process.
    left = set(end(left | set(marked(cluster_id=cluster_id, state=state.root)), number=signal.SIGKILL, within_s=KILL_S))
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise Internal(f"processes {pids} do not end, not even by SIGKILL; {state.cluster} was left as it is")
    existed = state.cluster.exists()
    _keep_logs(state)
    shutil.rmtree(state.cluster, ignore_errors=True)
    if not existed and not recorded and not stray:
        say("no cluster was up; nothing to do")
    else:
        say(f"the cluster is down; its logs are in {state.last_logs}")


def _keep_logs(state: StateDir) -> None:
    if not state.logs.is_dir():
        return
    shutil.rmtree(state.last_logs, ignore_errors=True)
    state.last_logs.parent.mkdir(parents=True, exist_ok=True)
    state.logs.rename(state.last_logs)
