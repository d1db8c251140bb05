"""The state directory as the CLI sees it: where things lie, and `cluster.json`, which says what `up` has started.

    <state>/images/            the image store: outlives clusters
    <state>/cache/native/      the compiled interpreter: outlives clusters
    <state>/cluster/           one cluster; `down` removes it, journal included
        cluster.json           id and parts (name, pid, start time, address), written before each part is relied upon
        token  logs/  addresses/  controller/  nodes/
    <state>/logs/last/         the logs of the last cluster, kept by `down`
    <state>/lock               held while a command changes the cluster

A process is identified by pid and start time together, because pids come round again.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from controller.errors import ControllerError, ControllerUnreachable, Refused

VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the cluster."""

    name: str  # "storage", "controller", or the node's name
    kind: str  # storage | controller | node
    pid: int
    start_ticks: int
    address: str = ""
    metrics: str = ""  # host:port of its /metrics


@dataclass(slots=True)
class ClusterFile:
    """What `up` wrote down."""

    id: str
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def nodes(self) -> list[str]:
        return [part.name for part in self.parts.values() if part.kind == "node"]


class Corrupt(ControllerError):
    """cluster.json cannot be read; `down` still can clean up."""


@dataclass(frozen=True, slots=True)
class StateDir:
    """Paths below one state directory."""

    root: Path

    @property
    def cluster(self) -> Path:
        return self.root / "cluster"

    @property
    def file(self) -> Path:
        return self.cluster / "cluster.json"

    @property
    def token(self) -> Path:
        return self.cluster / "token"

    @property
    def logs(self) -> Path:
        return self.cluster / "logs"

    @property
    def addresses(self) -> Path:
        return self.cluster / "addresses"

    @property
    def last_logs(self) -> Path:
        return self.root / "logs" / "last"

    @property
    def images(self) -> Path:
        return self.root / "images"

    def load(self) -> ClusterFile | None:
        """The cluster as recorded; None if there is none."""
        try:
            raw = json.loads(self.file.read_text())
            if raw["version"] != VERSION:
                raise Corrupt(f"{self.file} is of version {raw['version']}, not {VERSION}; `limosa down` removes it")
            return ClusterFile(raw["id"], {part["name"]: Part(**part) for part in raw["parts"]})
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise Corrupt(f"{self.file} cannot be read ({error}); `limosa down` removes what is left of it") from error

    def save(self, cluster: ClusterFile) -> None:
        parts = [asdict(part) for part in cluster.parts.values()]
        draft = self.file.with_suffix(".new")
        draft.write_text(json.dumps({"version": VERSION, "id": cluster.id, "parts": parts}, indent=2) + "\n")
        draft.replace(self.file)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One `up` or `down` at a time."""
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Refused(f"another `limosa up` or `down` is at work in {self.root}; wait for it") from error
            yield
        finally:
            os.close(descriptor)


def state_dir() -> StateDir:
    """LIMOSA_STATE_DIR, or the user's XDG state directory."""
    chosen = os.environ.get("LIMOSA_STATE_DIR")
    if chosen:
        return StateDir(Path(chosen).absolute())
    import platformdirs  # late: only who has no LIMOSA_STATE_DIR needs it

    return StateDir(Path(platformdirs.user_state_dir("limosa")))


def controller_address(flag: str | None) -> str:
    """--controller, else LIMOSA_CONTROLLER, else the cluster that `up` started here."""
    given = flag or os.environ.get("LIMOSA_CONTROLLER")
    if given:
        return given
    state = state_dir()
    cluster = state.load()
    part = cluster.parts.get("controller") if cluster is not None else None
    if part is None or not part.address:
        raise ControllerUnreachable(f"no cluster is up under {state.root}; `limosa up --nodes 2` starts one")
    return part.address
