"""The Debian guest's root file system, built from a program that only looks like busybox."""

import shutil
import subprocess

import pytest

from storage.busybox import INIT, NEEDED, applets, root_tree
from storage.errors import PullFailed
from storage.initramfs import CharDevice, File, Symlink, write_newc
from tests.support.apt_repository import fake_busybox
from tests.support.cpio import read_newc


def test_applets_are_read_from_the_table_in_the_binary() -> None:
    assert applets(fake_busybox(extra=["zcat"])) == sorted({"[", "[[", "zcat", "busybox", *NEEDED})


def test_the_program_is_not_hidden_by_the_link_of_its_own_name() -> None:
    program = fake_busybox()
    tree = root_tree(program)
    assert tree["bin/busybox"] == File(program, 0o755)
    assert tree["bin/sh"] == Symlink("busybox")


def test_the_tree_makes_an_archive_with_a_console_and_an_executable_init() -> None:
    members = {member.name: member for member in read_newc(write_newc(root_tree(fake_busybox())))}
    assert root_tree(fake_busybox())["dev/console"] == CharDevice(5, 1)
    assert members["dev/console"].rdev == (5, 1)
    assert members["init"].mode & 0o111 == 0o111 and members["init"].data.startswith(b"#!/bin/sh\n")


@pytest.mark.parametrize(
    "binary",
    [
        b"",
        b"\x7fELF",
        fake_busybox()[:19],
        fake_busybox().replace(b"\x7fELF\x01", b"\x7fELF\x02"),
        fake_busybox().replace(b"\0[\0[[\0", b"\0(\0((\0"),
        fake_busybox().replace(b"\0mount\0", b"\0mounT\0"),
    ],
)
def test_what_is_no_busybox_for_i386_is_refused(binary: bytes) -> None:
    with pytest.raises(PullFailed, match="busybox package"):
        applets(binary)


@pytest.mark.skipif(shutil.which("dash") is None, reason="this host has no dash")
def test_init_is_a_valid_shell_script() -> None:
    subprocess.run(["dash", "-n", str(INIT)], check=True, timeout=20)
