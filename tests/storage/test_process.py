"""`python -m storage` as a real process: started, used, ended, killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import client
from storage.images import ImageStore
from tests.support.image_service import linux_image

pytestmark = pytest.mark.system
WAIT_S = 30


class Storage:
    """The process; `address` waits until it is ready."""

    def __init__(self, state: Path, listen: str = "127.0.0.1:0") -> None:
        self.address_file = state / "cluster" / "storage.address"
        command = [sys.executable, "-m", "storage", "--state", str(state), "--listen", listen]
        command += ["--address-file", str(self.address_file), "--log-format", "json"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def address(self) -> str:
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end and self.process.poll() is None:
            if self.address_file.exists():
                return self.address_file.read_text().removesuffix("\n")
            time.sleep(0.02)
        raise AssertionError(f"no address within {WAIT_S} s: {self.end()}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit status and log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, log


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"


async def test_it_serves_and_ends_cleanly_on_sigterm(state: Path, tmp_path: Path) -> None:
    storage = Storage(state)
    (tmp_path / "vmlinuz").write_bytes(os.urandom(1 << 20))
    kernel = await client.push_blob(storage.address(), tmp_path / "vmlinuz")
    await client.put_image(storage.address(), linux_image("a", kernel))
    status, log = storage.end()
    assert status == 0 and not storage.address_file.exists()
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events[-1] == "storage.ended" and "storage.ready" in events
    assert client.open_local_image(state, "a").kernel.read_bytes() == (tmp_path / "vmlinuz").read_bytes()


async def test_after_a_kill_it_starts_again_with_all_that_was_acknowledged(state: Path, tmp_path: Path) -> None:
    storage = Storage(state)
    (tmp_path / "vmlinuz").write_bytes(os.urandom(1 << 20))
    kernel = await client.push_blob(storage.address(), tmp_path / "vmlinuz")
    await client.put_image(storage.address(), linux_image("a", kernel))
    assert storage.end(signal.SIGKILL)[0] == -signal.SIGKILL
    (state / "images" / "drafts" / "draft-half").write_bytes(b"what a push was writing")
    storage.address_file.unlink()  # it is stale: `up` removes it, too, before it starts anything
    again = Storage(state)
    assert [image.name for image in await client.list_images(again.address())] == ["a"]
    assert os.listdir(state / "images" / "drafts") == []
    assert again.end()[0] == 0


def test_a_port_in_use_is_one_sentence_and_status_1(state: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        storage = Storage(state, f"127.0.0.1:{taken.getsockname()[1]}")
        _, log = storage.process.communicate(timeout=WAIT_S)
    assert storage.process.returncode == 1 and not storage.address_file.exists()
    assert "cannot be listened on" in log.splitlines()[-1] and "Traceback" not in log


def test_an_unusable_state_directory_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    storage = Storage(tmp_path / "file")
    _, log = storage.process.communicate(timeout=WAIT_S)
    assert storage.process.returncode == 1 and "cannot be used" in log and "Traceback" not in log


async def test_a_store_that_another_process_fills_is_seen_at_once(state: Path) -> None:
    """`limosa image pull` writes straight into the store of a running service."""
    storage = Storage(state)
    store = ImageStore(state / "images")
    address = storage.address()
    store.put(linux_image("pulled", store.blobs.put_bytes(b"kernel")))
    assert [image.name for image in await client.list_images(address)] == ["pulled"]
    storage.end()
