"""A moment in the life of an emulator's process: the host's time, and the CPU time that the process had used."""

import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Moment:
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What lay between two moments."""

    wall_s: float
    cpu_s: float


def moment_of(process: int) -> Moment:
    wall_s, used = time.monotonic(), psutil.Process(process).cpu_times()
    return Moment(wall_s, float(used.user + used.system))


def between(began: Moment, ended: Moment) -> Taken:
    return Taken(ended.wall_s - began.wall_s, ended.cpu_s - began.cpu_s)
