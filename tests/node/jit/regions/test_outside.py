"""Regions are compiled by a process of its own: what ends that one does not end this one, nor a guest's run."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import psutil
import pytest

from node.domain.one_thread import ONE_THREAD
from node.jit.native import NativeEngine
from node.jit.object_cache import object_code, silent
from node.jit.packed import texts_of
from node.jit.regions.compiler_process import Texts
from node.jit.regions.formation import Former, Limits
from node.jit.regions.outside import CompilerOutside
from node.jit.regions.settings import Settings
from node.jit.regions.shape import PAGE, Shape
from node.jit.regions.translation import Attempt
from tests.support.code_twin import CodeTwin
from tests.support.engine import cache_directory
from tests.support.hostile import CODE, hostile_machine

pytestmark = pytest.mark.timeout(900)  # the first test may have to compile the interpreter
LINEAR, BACKING = 0x40_0000, 0x9000
LOOP = bytes.fromhex("01d8 89c3 4a 75f9 c3")  # ADD EAX, EBX; MOV EBX, EAX; DEC EDX; JNZ; RET
LONGEST_S = 30.0


@pytest.fixture(scope="module")
def texts() -> Texts:
    return cache(lambda: texts_of(object_code(cache_directory(), silent)))


@pytest.fixture
def compiler(texts: Texts) -> Iterator[CompilerOutside]:
    yield CompilerOutside(texts)
    gc.collect()


def loop() -> Shape:
    formed = Former(CodeTwin({LINEAR: (BACKING, LOOP.ljust(PAGE, b"\x90"))}), Limits(), LINEAR, BACKING, 5).form()
    assert formed is not None
    return formed[0]


def impossible(shape: Shape) -> Shape:
    """What no compiler comes through: an instruction that there is not."""
    first = shape.blocks[0]
    wrong = replace(first, instructions=(replace(first.instructions[0], handler=1 << 20), *first.instructions[1:]))
    return replace(shape, blocks=(wrong, *shape.blocks[1:]))


def pid(compiler: CompilerOutside) -> int:
    assert compiler.process_id is not None
    return compiler.process_id


def test_any_process_makes_the_same_code(compiler: CompilerOutside, texts: Texts) -> None:
    attempt = compiler.compile(loop())
    assert attempt.translation is not None and attempt.translation.code
    assert attempt.translation == CompilerOutside(texts).compile(loop()).translation
    assert attempt.elsewhere_ns > 0 and attempt.beginning_ns > 0 and not attempt.lost
    assert compiler.compile(loop()).beginning_ns == 0


def test_it_shares_a_core_as_one_of_the_guest_s_session_but_not_its_interrupts(compiler: CompilerOutside) -> None:
    compiler.compile(loop())
    other = pid(compiler)
    assert os.getsid(other) == os.getsid(0)
    assert os.getpgid(other) == other


def test_what_no_compiler_survives_costs_only_the_compiler(compiler: CompilerOutside) -> None:
    compiler.compile(loop())
    first = pid(compiler)
    attempt = compiler.compile(impossible(loop()))
    assert (attempt.translation, attempt.lost) == (None, True)
    assert compiler.process_id is None and not psutil.pid_exists(first)
    assert compiler.compile(loop()).translation is not None
    assert pid(compiler) != first


def test_the_time_of_a_compiler_that_was_lost_is_told(compiler: CompilerOutside) -> None:
    """It was busy only with its own start: more than nothing."""
    assert compiler.compile(impossible(loop())).elsewhere_ns > 0


def test_a_compiler_that_does_not_answer_is_ended(texts: Texts) -> None:
    compiler = CompilerOutside(texts)
    compiler.compile(loop())
    stopped = pid(compiler)
    os.kill(stopped, signal.SIGSTOP)
    compiler.patience_s = 0.01
    assert compiler.compile(loop()).lost
    assert not psutil.pid_exists(stopped)


def test_one_that_has_gone_unasked_is_replaced_and_was_not_lost(compiler: CompilerOutside) -> None:
    compiler.compile(loop())
    first = pid(compiler)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    attempt = compiler.compile(loop())
    assert attempt.translation is not None and not attempt.lost
    assert pid(compiler) != first


def test_the_process_ends_with_its_asker(texts: Texts) -> None:
    compiler = CompilerOutside(texts)
    compiler.compile(loop())
    process = psutil.Process(pid(compiler))
    del compiler
    gc.collect()
    process.wait(LONGEST_S)


FORKED = """
import sys, threading
from node.domain.one_thread import ONE_THREAD
from node.jit.object_cache import object_code, silent
from node.jit.packed import texts_of
from node.jit.regions.outside import CompilerOutside
from tests.node.jit.regions.test_outside import impossible, loop
from tests.support.engine import cache_directory

compiler = CompilerOutside(lambda: texts_of(object_code(cache_directory(), silent)))
if sys.argv[1] == "threads":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
compiler.fork()
forked = compiler.process_id is not None
first, lost, last = (compiler.compile(shape) for shape in (loop(), impossible(loop()), loop()))
assert first.translation is not None and first.translation == last.translation and lost.lost
print(forked, first.beginning_ns == 0, last.beginning_ns > 0)
"""


@pytest.mark.parametrize(("threads", "said"), [("none", "True True True"), ("threads", "False False True")])
def test_a_process_with_one_thread_forks_its_first_compiler(threads: str, said: str) -> None:
    """In a millisecond; the one that comes after a loss is begun as usual."""
    child = subprocess.run(
        [sys.executable, "-c", FORKED, threads],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | ONE_THREAD,
    )
    assert (child.returncode, child.stdout.strip()) == (0, said), child.stderr


class _Unlucky(CompilerOutside):
    """The second question ends its process."""

    asked = 0

    def compile(self, shape: Shape) -> Attempt:
        self.asked += 1
        return super().compile(impossible(shape) if self.asked == 2 else shape)


class _UnluckyEngine(NativeEngine):
    def _compiler_of(self, texts: Texts) -> CompilerOutside:
        return _Unlucky(texts)


def test_a_guest_runs_on_when_its_compiler_dies(tmp_path: Path) -> None:
    """Of three loops the second is not translated, and all instructions are executed."""
    engine = _UnluckyEngine(object_code(cache_directory(), silent), tmp_path / "native")  # with no translations
    engine.translate(Settings(patience=2, forced=True, stretch=60))
    machine = hostile_machine(Random(1), engine)
    loops = (CODE, CODE + 0x100, CODE + 0x200)
    for i, at in enumerate(loops):
        machine.memory.write(at, bytes([0x05, *range(i, i + 4), 0xEB, 0xF9]))  # again: ADD EAX, imm32; JMP again
    for i, at in enumerate(loops):
        machine.processor.cpu.eip = at
        machine.processor.engine.refresh()
        machine.run_until(1000 * (i + 1))
    figures = machine.processor.engine.stats()
    assert machine.instructions == 3000
    assert (figures["region_compilers_lost"], figures["regions_refused"]) == (1, 1), figures
    assert 1500 < figures["instructions_translated"] < 2000, figures
    machine.memory.close()
