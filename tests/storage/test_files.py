"""Drafts: whole or not at all, whoever dies when."""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.errors import StoreFull, StoreUnusable
from storage.files import Draft, make_directory, sweep, write_atomically


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let any file of this process grow beyond `size`, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_published_draft_is_the_file_and_nothing_else_is_left(tmp_path: Path) -> None:
    with Draft.create(tmp_path, "d-") as draft:
        draft.write(b"new ")
        draft.write(memoryview(b"content"))
        assert draft.size_bytes == 11 and not (tmp_path / "file").exists()
        draft.publish(tmp_path / "file", 0o444)
    assert (tmp_path / "file").read_bytes() == b"new content" and os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o444


def test_a_draft_that_is_not_published_leaves_the_old_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"old")
    with pytest.raises(KeyError), Draft.create(tmp_path, "d-") as draft:
        draft.write(b"new")
        raise KeyError
    assert (tmp_path / "file").read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_said_and_the_old_file_stays(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"old")
    with pytest.raises(StoreFull, match="no room in"), largest_file(4096):
        write_atomically(tmp_path / "file", bytes(10_000))
    assert (tmp_path / "file").read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_a_sweep_takes_the_dead_and_spares_the_living(tmp_path: Path) -> None:
    script = "import os,sys; from pathlib import Path; from storage.files import Draft\n"
    script += "Draft.create(Path(sys.argv[1]), 'd-').write(b'half'); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", script, tmp_path], timeout=60).returncode == 9
    (tmp_path / "other").touch()
    with Draft.create(tmp_path, "d-") as living:
        assert sweep(tmp_path, "d-") == 1
        assert sorted(os.listdir(tmp_path)) == sorted([living.path.name, "other"])
        living.publish(tmp_path / "file")
    assert sweep(tmp_path, "d-") == 0 and sorted(os.listdir(tmp_path)) == ["file", "other"]


def test_a_dead_writers_draft_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    draft = Draft.create(tmp_path, "d-")
    draft.write(b"first ")
    assert Draft.adopt(tmp_path, "d-") is None  # its writer lives
    draft._file.close()
    adopted = Draft.adopt(tmp_path, "d-")
    assert adopted is not None and adopted.size_bytes == 6
    with adopted:
        adopted.write(b"second")
        adopted.publish(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"first second"


def test_a_link_in_the_place_of_a_draft_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"do not touch")
    (tmp_path / "d-link").symlink_to("precious")
    assert Draft.adopt(tmp_path, "d-") is None
    assert (tmp_path / "precious").read_bytes() == b"do not touch"


def test_a_file_where_a_directory_belongs_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match="cannot be used"):
        make_directory(tmp_path / "file" / "below")
    with pytest.raises(StoreUnusable, match="cannot be used"):
        make_directory(tmp_path / "file")
