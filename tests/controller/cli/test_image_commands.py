"""`limosa image` and `create` against a storage process that this machine's cluster did not start, near and far.

Each command is a process: gRPC's asyncio wants one loop in each, and the served controller has this one's.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.cli.state import ClusterFile, Part, StateDir
from storage.images import ImageStore
from tests.storage.test_process import Storage
from tests.support.apt_repository import APT_IS_HERE, debian_12
from tests.support.image_service import linux_image
from tests.support.real_cluster import COMMAND_S, ROOT, Ran
from tests.support.served_cluster import Served, served_cluster

pytestmark = pytest.mark.system
NOWHERE = "127.0.0.1:1"


@dataclass
class Machine:
    """A user's machine: a store with one image, no cluster, and where the environment says that one is."""

    state: StateDir
    says: dict[str, str] = field(default_factory=dict)

    def limosa(self, *arguments: str, status: int = 0) -> Ran:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LIMOSA_")}
        done = subprocess.run(
            [sys.executable, "-m", "controller.cli.entry", *arguments],
            env=kept | {"LIMOSA_STATE_DIR": str(self.state.root)} | self.says,
            cwd=ROOT, capture_output=True, text=True, timeout=COMMAND_S,
        )  # fmt: skip
        assert done.returncode == status, f"limosa {' '.join(arguments)} ended {done.returncode}: {done.stderr}"
        return Ran(done.returncode, done.stdout, done.stderr)

    def images(self, *where: str) -> list[str]:
        return sorted(self.limosa(*where, "image", "list", "-q").out.split())


@pytest.fixture
def here(tmp_path: Path) -> Machine:
    state = StateDir(tmp_path / "here")
    store = ImageStore(state.images)
    store.put(linux_image("deb", store.blobs.put_bytes(os.urandom(1 << 20))))
    return Machine(state)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[str]:
    """A storage process with a store of its own; its address."""
    process = Storage(tmp_path / "there")
    yield process.address()
    assert process.end()[0] == 0


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A controller whose own parts know the storage by an address that means nothing here."""
    with served_cluster(tmp_path) as cluster:
        yield cluster


def kernel(path: Path) -> str:
    """A file with a bzImage's mark, never the same twice."""
    path.write_bytes(bytes(0x202) + b"HdrS" + os.urandom(100))
    return str(path)


def test_push_copies_an_image_of_this_machine_to_a_cluster(here: Machine, there: str) -> None:
    assert here.images("--storage", there) == []
    assert "sending sha256:" in here.limosa("--storage", there, "image", "push", "deb").err
    assert here.images("--storage", there) == ["deb"] == here.images()
    assert "sending" not in here.limosa("image", "push", "deb", "--storage", there).err
    here.limosa("--storage", there, "image", "push", "other", status=3)
    here.limosa("--storage", there, "image", "remove", "deb")
    assert here.images("--storage", there) == [] and here.images() == ["deb"]


def test_push_without_a_cluster_or_to_the_one_over_the_same_store_does_nothing(here: Machine, there: str) -> None:
    here.limosa("image", "push", "deb", status=69)
    here.state.cluster.mkdir()
    here.state.save(ClusterFile("c", {"storage": Part("storage", "storage", 1, 1, there)}))
    assert "nothing is to be pushed" in here.limosa("--storage", there, "image", "push", "deb").err
    assert here.images("--storage", there) == []


@pytest.mark.skipif(not APT_IS_HERE, reason="this host has no apt")
def test_pull_builds_here_and_sends_a_copy_to_a_cluster_elsewhere(
    here: Machine, there: str, served: Served, tmp_path: Path
) -> None:
    sources = here.state.images / "cache" / "debian-12" / "sources.list.d"
    sources.mkdir(parents=True)
    (sources / "test.sources").write_text(debian_12(tmp_path / "repository").source())
    where = ["--controller", served.address, "--storage", there]
    ran = here.limosa(*where, "image", "pull", "debian-12")
    assert ran.out.split() == ["debian-12", "debian-12-686"]
    assert ran.err.count("sending") == 3, "two kernels, and the initramfs that they share"
    assert here.images(*where) == ["debian-12", "debian-12-686"]
    assert "sending" not in here.limosa(*where, "image", "pull", "debian-12").err
    assert "sending" not in here.limosa("image", "pull", "debian-12").err, "no cluster: this machine's store alone"


def test_the_environment_names_the_storage_and_the_flag_counts_first(
    here: Machine, there: str, served: Served, tmp_path: Path
) -> None:
    file = kernel(tmp_path / "kernel")
    here.says |= {"LIMOSA_CONTROLLER": served.address, "LIMOSA_STORAGE": there}
    here.limosa("create", "a", "--kernel", file)
    here.limosa("create", "b", "--kernel", file, "--storage", NOWHERE, status=4)
    assert all("b" not in served.host(name).vms for name in ("n1", "n2"))
    here.says |= {"LIMOSA_STORAGE": NOWHERE}
    here.limosa("create", "b", "--kernel", file, "--storage", there)


def test_a_storage_that_cannot_be_reached_from_here_is_said_with_what_to_do_and_what_still_works(
    here: Machine, served: Served, tmp_path: Path
) -> None:
    here.says |= {"LIMOSA_CONTROLLER": served.address}
    for command in (
        ("create", "a", "--kernel", kernel(tmp_path / "kernel")),
        ("create", "a", "--image", "deb", "--command-line", "x"),
        ("image", "list"),
        ("image", "push", "deb"),
        ("image", "pull", "debian-12"),
        ("image", "remove", "deb"),
    ):
        told = here.limosa(*command, status=4).err
        assert NOWHERE in told and "LIMOSA_STORAGE" in told and "VMs run on" in told and told.count("\n") == 1, told
    here.limosa("create", "a", "--append", "tick", "--start")
