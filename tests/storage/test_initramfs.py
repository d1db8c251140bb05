"""The cpio writer against an independent reader, and against the host's cpio where there is one."""

import shutil
import stat
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.initramfs import CharDevice, Directory, Entry, File, InvalidTree, Symlink, write_newc
from tests.support.cpio import read_newc

COMPONENTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12
).filter(lambda text: text not in (".", "..", "TRAILER!!!"))
PERMISSIONS = st.integers(0, 0o7777)
LEAVES = st.one_of(
    st.builds(File, st.binary(max_size=64), PERMISSIONS),
    st.builds(
        Symlink, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
    ),
    st.builds(CharDevice, st.integers(0, 4095), st.integers(0, (1 << 20) - 1), PERMISSIONS),
)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Entry]:
    """Trees in which every entry has its directory."""
    directories = [""]
    tree: dict[str, Entry] = {}
    for name in draw(st.lists(COMPONENTS, max_size=12)):
        path = f"{draw(st.sampled_from(directories))}/{name}".lstrip("/")
        if path in tree or path.startswith("TRAILER"):
            continue
        tree[path] = draw(st.one_of(st.builds(Directory, PERMISSIONS), LEAVES))
        if isinstance(tree[path], Directory):
            directories.append(path)
    return tree


@given(trees())
def test_what_is_written_is_read_back(tree: dict[str, Entry]) -> None:
    members = list(read_newc(write_newc(tree)))
    assert [m.name.encode() for m in members] == sorted(path.encode() for path in tree)
    assert len({m.inode for m in members}) == len(members)
    for member in members:
        entry = tree[member.name]
        assert (member.uid, member.gid, member.mtime) == (0, 0, 0)
        match entry:
            case Directory(permissions):
                assert (member.mode, member.data) == (stat.S_IFDIR | permissions, b"")
            case File(data, permissions):
                assert (member.mode, member.data, member.links) == (stat.S_IFREG | permissions, data, 1)
            case Symlink(target):
                assert stat.S_ISLNK(member.mode) and member.data == target.encode()
            case CharDevice(major, minor, permissions):
                assert (member.mode, member.rdev) == (stat.S_IFCHR | permissions, (major, minor))


@given(trees(), st.randoms())
def test_the_archive_does_not_depend_on_the_order_of_the_tree(tree: dict[str, Entry], random: object) -> None:
    items = list(tree.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert write_newc(dict(items)) == write_newc(tree)


@given(trees())
def test_a_directory_comes_before_what_lies_in_it(tree: dict[str, Entry]) -> None:
    seen = {""}
    for member in read_newc(write_newc(tree)):
        assert member.name.rpartition("/")[0] in seen
        seen.add(member.name)


@pytest.mark.skipif(shutil.which("cpio") is None, reason="this host has no cpio")
def test_cpio_lists_the_same_tree() -> None:
    tree: dict[str, Entry] = {
        "bin": Directory(),
        "bin/sh": Symlink("busybox"),
        "bin/busybox": File(b"\x7fELF" * 1000, 0o755),
        "dev": Directory(),
        "dev/console": CharDevice(5, 1),
    }
    listed = subprocess.run(
        ["cpio", "-itv", "--quiet"], input=write_newc(tree), capture_output=True, check=True, timeout=20
    )
    lines = [line.split() for line in listed.stdout.decode().splitlines()]
    assert [(line[0], line[-1]) for line in lines] == [
        ("drwxr-xr-x", "bin"),
        ("-rwxr-xr-x", "bin/busybox"),
        ("lrwxrwxrwx", "busybox"),
        ("drwxr-xr-x", "dev"),
        ("crw-------", "dev/console"),
    ]
    assert listed.stderr == b""


@pytest.mark.parametrize(
    "path", ["", "/", "/etc", "etc/", "a//b", ".", "./a", "..", "../a", "a/../b", "a\0b", "TRAILER!!!"]
)
def test_a_path_that_means_something_else_is_refused(path: str) -> None:
    with pytest.raises(InvalidTree):
        write_newc({"a": Directory(), "etc": Directory(), path: File(b"")})


@pytest.mark.parametrize("parent", [{}, {"dev": File(b"")}, {"dev": Symlink("elsewhere")}])
def test_an_entry_without_its_directory_is_refused(parent: dict[str, Entry]) -> None:
    with pytest.raises(InvalidTree, match="lies in a directory"):
        write_newc({**parent, "dev/console": CharDevice(5, 1)})


@pytest.mark.parametrize("target", ["", "a\0b", "x" * 4096])
def test_a_link_that_the_kernel_would_skip_is_refused(target: str) -> None:
    with pytest.raises(InvalidTree, match="target"):
        write_newc({"link": Symlink(target)})


def test_a_path_longer_than_the_kernel_takes_is_refused() -> None:
    tree: dict[str, Entry] = {}
    for depth in range(1, 18):
        tree["/".join(["x" * 250] * depth)] = Directory()
    with pytest.raises(InvalidTree, match="longer"):
        write_newc(tree)
