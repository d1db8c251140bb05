"""The image service is gone: every command that needs it says so in a sentence, and everything else goes on."""

from pathlib import Path

import pytest

from tests.support.real_cluster import real_cluster

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def test_without_storage_what_needs_it_says_so_and_the_rest_works(tmp_path: Path) -> None:
    with real_cluster(tmp_path) as c:
        c.start("a", "n1", "tick=100")
        (tmp_path / "own.elf").write_bytes(b"\x7fELF tick=7")
        address = c.part("storage").address
        c.kill("storage")
        for command in (
            ("create", "b", "--image", "debian-12"),
            ("create", "b", "--image", "debian-12", "--command-line", "x"),
            ("create", "b", "--kernel", str(tmp_path / "own.elf")),
            ("image", "list"),
        ):
            told = c.limosa(*command, status=4).err
            assert address in told and "does not answer" in told and "run on" in told and "limosa up" in told, told
            assert told.count("\n") == 1
        assert c.limosa("list", "-q").out.split() == ["a"]
        c.limosa("migrate", "a", "n2")
        before = c.vm("a")["console_bytes"]
        c.until(lambda: c.vm("a")["console_bytes"] > before)
        c.limosa("create", "again", "--kernel", str(tmp_path / "a.elf"), "--memory", "16M", status=4)
        c.up(2)
        c.limosa("create", "b", "--kernel", str(tmp_path / "own.elf"), "--memory", "16M", "--start")
