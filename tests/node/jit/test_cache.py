"""The cache of compiled interpreters: found, missing, damaged, shared and unwritable.

The builder here is a program that stores a few bytes in the way the real one stores the interpreter after a minute.
"""

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node.jit import object_cache
from node.jit.former_versions import UNUSED_S, remove_unused
from node.jit.object_cache import CompileFailed, object_code, object_path, silent, store, verified

OBJECT = b"\x7fELF, or so" * 1000
STORES = f"""
import sys
from pathlib import Path
from node.jit.object_cache import object_path, store
print("0.500 half done", flush=True)
store(object_path(Path(sys.argv[1])), {OBJECT!r})
"""
BUILDS = (sys.executable, "-c", STORES)
FAILS = (sys.executable, "-c", "raise SystemExit(7)")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "native"


def test_a_missing_object_is_built_once_and_found_afterwards(cache: Path) -> None:
    told: list[tuple[float, str]] = []
    assert object_code(cache, lambda share, what: told.append((share, what)), BUILDS) == OBJECT
    assert told == [(0.5, "half done")]
    assert object_code(cache, silent, FAILS) == OBJECT


def test_versions_that_nobody_has_used_for_a_month_go_and_others_stay(tmp_path: Path) -> None:
    now = 1_800_000_000.0
    present, in_use, former = "0" * 32, "1" * 32, "f" * 32
    for name, age in ((present, 0.0), (in_use, UNUSED_S - 1), (former, UNUSED_S + 1), ("photographs", UNUSED_S + 1)):
        used = tmp_path / name / "38" / "region"
        used.parent.mkdir(parents=True)
        used.write_bytes(OBJECT)
        for path in (used, used.parent, used.parent.parent):
            os.utime(path, (now - age, now - age))
    (tmp_path / "lock").touch()
    os.utime(tmp_path / "lock", (0, 0))
    assert remove_unused(tmp_path, now) == [former]
    assert sorted(path.name for path in tmp_path.iterdir()) == [present, in_use, "lock", "photographs"]
    assert remove_unused(tmp_path / "nowhere", now) == []


def test_an_object_that_is_found_counts_as_used(cache: Path) -> None:
    store(object_path(cache), OBJECT)
    os.utime(object_path(cache), (0, 0))
    assert object_code(cache, silent, FAILS) == OBJECT
    assert object_path(cache).stat().st_mtime > 0


def test_a_failing_build_is_an_error_that_says_so(cache: Path) -> None:
    with pytest.raises(CompileFailed, match="exit status 7"):
        object_code(cache, silent, FAILS)
    assert not object_path(cache).exists()


@pytest.mark.parametrize("at", [0, object_cache.DIGEST_BYTES - 1, object_cache.DIGEST_BYTES, 5000, -1])
def test_a_corrupt_object_is_not_used(cache: Path, at: int) -> None:
    store(object_path(cache), OBJECT)
    damaged = bytearray(object_path(cache).read_bytes())
    damaged[at] ^= 0x10
    object_path(cache).write_bytes(damaged)
    assert verified(object_path(cache)) is None


@pytest.mark.parametrize("length", [0, 1, object_cache.DIGEST_BYTES, 4096, object_cache.DIGEST_BYTES + len(OBJECT) - 1])
def test_a_truncated_object_is_not_used(cache: Path, length: int) -> None:
    store(object_path(cache), OBJECT)
    object_path(cache).write_bytes(object_path(cache).read_bytes()[:length])
    assert verified(object_path(cache)) is None


def test_a_damaged_object_is_built_anew(cache: Path) -> None:
    store(object_path(cache), OBJECT)
    object_path(cache).write_bytes(object_path(cache).read_bytes()[:-1])
    assert object_code(cache, silent, BUILDS) == OBJECT
    assert verified(object_path(cache)) == OBJECT


def test_readers_see_whole_objects_while_others_write(cache: Path) -> None:
    path = object_path(cache)
    objects = [bytes([number]) * 300_000 for number in range(4)]
    store(path, objects[0])

    def write(number: int) -> None:
        for _ in range(20):
            store(path, objects[number])

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(4)]
        seen = [verified(path)]
        while not all(writer.done() for writer in writers):
            seen.append(verified(path))
        for writer in writers:
            writer.result(timeout=60)
    assert all(content in objects for content in seen)
    assert list(path.parent.iterdir()) == [path], "a file written aside was left behind"


def test_who_made_an_object_is_not_the_only_one_to_read_it(cache: Path) -> None:
    store(object_path(cache), OBJECT)
    assert object_path(cache).stat().st_mode & 0o777 == 0o644


def test_two_processes_may_build_at_once(cache: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        builds = [pool.submit(object_code, cache, silent, BUILDS) for _ in range(2)]
        assert [build.result(timeout=60) for build in builds] == [OBJECT, OBJECT]


def test_a_cache_that_cannot_be_written_costs_only_the_build(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a directory")
    told: list[str] = []
    assert object_code(in_the_way / "native", lambda _, what: told.append(what), BUILDS) == OBJECT
    assert "the cache cannot be written" in told[0] and told[1:] == ["half done"]
    assert in_the_way.read_text() == "not a directory"


def test_the_key_follows_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "node"
    for part in ("ia32", "jit"):
        shutil.copytree(object_cache.NODE / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(object_cache.NODE / "jitted.py", copy)
    key = object_cache.cache_key("x86-64-v2")
    assert object_cache.cache_key("x86-64-v3") != key
    monkeypatch.setattr(object_cache, "NODE", copy)
    assert object_cache.cache_key("x86-64-v2") == key, "the key depends on where the sources lie"
    sources = ["jitted.py", "ia32/flags.py", "ia32/semantics/alu.py", "jit/dispatch.py"]
    keys = {key}
    for source in sources:
        with (copy / source).open("a") as file:
            file.write("# one more line\n")
        keys.add(object_cache.cache_key("x86-64-v2"))
    (copy / "ia32" / "new.py").write_text("")
    keys.add(object_cache.cache_key("x86-64-v2"))
    assert len(keys) == len(sources) + 2
