"""Killing a writer at every system call that changes the disk: the store then holds the old image or the new one.

A child process imports the store once and forks itself for each point; the fork counts its own disk calls and leaves
with os._exit at the chosen one, so no clean-up of any kind runs.
"""

import subprocess
import sys
from pathlib import Path

from storage.errors import ImageNotFound
from storage.images import ImageStore
from storage.local import open_local_image
from tests.support.image_service import linux_image

CHILD = """
import os, sys
from pathlib import Path
from storage import files
from storage.images import ImageStore
from tests.support.image_service import linux_image

def crash_at(point):
    count = 0
    def dying(call):
        def wrapped(*args, **kwargs):
            nonlocal count
            count += 1
            if count == point:
                os._exit(9)
            return call(*args, **kwargs)
        return wrapped
    for name in ("mkdir", "open", "fchmod", "fsync", "rename", "unlink"):
        setattr(os, name, dying(getattr(os, name)))
    files.FileIO = type("FileIO", (files.FileIO,), {"write": dying(files.FileIO.write)})

def act(store):
    if sys.argv[2] == "put":
        refs = [store.blobs.put_bytes(b"new kernel"), store.blobs.put_bytes(b"initrd")]
        store.put(linux_image("a", *refs, command_line="new"))
    else:
        store.remove("a", now_s=0)

for root in sorted(Path(sys.argv[1]).iterdir()):
    if os.fork() == 0:
        crash_at(int(root.name))
        act(ImageStore(root / "images"))
        os._exit(0)
    pid, status = os.wait()
    print(os.waitstatus_to_exitcode(status), flush=True)
"""
POINTS = 60


def crash_everywhere(tmp_path: Path, act: str) -> list[Path]:
    """The state directories of one run for each point at which the writer was killed, and some where it got through."""
    places = [tmp_path / f"{point:03}" for point in range(1, POINTS + 1)]
    for place in places:
        store = ImageStore(place / "images")
        kernel, initrd = store.blobs.put_bytes(b"old kernel"), store.blobs.put_bytes(b"initrd")
        store.put(linux_image("a", kernel, initrd, "old"))
    done = subprocess.run([sys.executable, "-c", CHILD, tmp_path, act], capture_output=True, text=True, timeout=90)
    codes = [int(line) for line in done.stdout.split()]
    assert len(codes) == POINTS, done.stderr
    crashed = codes.index(0)
    assert set(codes[:crashed]) == {9} and set(codes[crashed:]) == {0}, "the points do not cover the whole act"
    print(f"{act}: killed at each of {crashed} disk calls")
    assert crashed >= 5
    return places


def test_a_put_killed_anywhere_leaves_the_old_image_or_the_new_one(tmp_path: Path) -> None:
    seen = set()
    for place in crash_everywhere(tmp_path, "put"):
        image = open_local_image(place, "a")
        assert image.kernel.read_bytes() == f"{image.command_line} kernel".encode()
        seen.add(image.command_line)
        store = ImageStore(place / "images")
        store.collect_garbage(now_s=1e12)
        assert not list((place / "images" / "drafts").iterdir())
        assert open_local_image(place, "a") == image
        assert len(list((place / "images" / "blobs" / "sha256").iterdir())) == 2
        store.put(linux_image("a", store.blobs.put_bytes(b"newest")))
    assert seen == {"old", "new"}


def test_a_removal_killed_anywhere_leaves_a_whole_image_or_none(tmp_path: Path) -> None:
    left = 0
    for place in crash_everywhere(tmp_path, "remove"):
        store = ImageStore(place / "images")
        try:
            store.get("a")
        except ImageNotFound:
            store.collect_garbage(now_s=1e12)
            assert not list((place / "images" / "blobs" / "sha256").iterdir())
        else:
            left += 1
            assert open_local_image(place, "a").kernel.read_bytes() == b"old kernel"
    assert 0 < left < POINTS
