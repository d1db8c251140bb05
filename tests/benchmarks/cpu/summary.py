"""From runs to figures: medians, ratios, geometric means; and their table.

A ratio is QEMU's time by ours: 2.00 means that we take half as long.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.benchmarks.cpu.measure import Run

Clock = Literal["wall", "cpu"]

TRANSLATOR = ("translat", "region", "code_cache", "compil")  # how the names of its figures in --stats begin


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one program (or errand of Debian's), by the name of the machine; no runs, and a reason."""

    name: str
    kind: str
    runs: dict[str, list[Run]]
    remarks: dict[str, str]  # instead of runs

    def median_s(self, machine: str, clock: Clock) -> float | None:
        taken = self.taken_s(machine, clock)
        return statistics.median(taken) if taken else None

    def taken_s(self, machine: str, clock: Clock) -> list[float]:
        return [run.taken.wall_s if clock == "wall" else run.taken.cpu_s for run in self.runs.get(machine, [])]

    def ratio(self, machine: str, clock: Clock, *, reference: str = "qemu") -> float | None:
        ours, theirs = self.median_s(machine, clock), self.median_s(reference, clock)
        return theirs / ours if ours and theirs else None


def geometric_mean(ratios: Iterable[float | None]) -> float | None:
    known = [ratio for ratio in ratios if ratio is not None]
    return math.exp(statistics.fmean(map(math.log, known))) if known else None


def heading(machines: Sequence[str]) -> str:
    return f"{'':20}" + "".join(f"{name:>20}" for name in machines) + _ratios_heading(machines)


def _ratios_heading(machines: Sequence[str]) -> str:
    ours = [name for name in machines if name != "qemu"]
    return "".join(f"{f'qemu/{name}':>16}" for name in ours if "qemu" in machines) + f"{'M instr/s':>12}{'first s':>9}"


def line(row: Row, machines: Sequence[str], clock: Clock) -> str:
    """The row of the table: medians with half their range, ratios, and what is special of ours."""
    text = f"{row.name:20}" + "".join(f"{_cell(row, name, clock):>20}" for name in machines)
    if "qemu" in machines:
        text += "".join(f"{_number(row.ratio(name, clock)):>16}" for name in machines if name != "qemu")
    runs = row.runs.get(machines[0], [])
    rates = [rate / 1e6 for run in runs if (rate := run.instructions_per_s)]
    text += f"{_number(statistics.median(rates) if rates else None, digits=0):>12}"
    return text + f"{_number(row.taken_s(machines[0], clock)[0] if runs else None):>9}"


def _cell(row: Row, machine: str, clock: Clock) -> str:
    taken = row.taken_s(machine, clock)
    if not taken:
        return row.remarks.get(machine, "–")
    median = statistics.median(taken)
    return f"{median:.3f} s ±{(max(taken) - min(taken)) / 2 / median * 100:3.0f} %" if median else "0 s"


def means(rows: Sequence[Row], machines: Sequence[str], clock: Clock) -> dict[str, dict[str, float | None]]:
    """The geometric means of the ratios, by machine: of the integer programs, of all."""
    of = {"integer": [row for row in rows if row.kind == "integer"], "all": list(rows)}
    ours = [name for name in machines if name != "qemu"]
    return {
        name: {what: geometric_mean(row.ratio(name, clock) for row in chosen) for what, chosen in of.items()}
        for name in ours
    }


def mean_lines(rows: Sequence[Row], machines: Sequence[str], clock: Clock) -> list[str]:
    """Of the programs that have a ratio; how many those are is said."""
    found = means(rows, machines, clock)
    ours = [name for name in machines if name != "qemu"]
    texts = []
    for what in ("integer", "all"):
        chosen = [row for row in rows if what in ("all", row.kind)]
        if not chosen:
            continue
        compared = sum(row.ratio(ours[0], clock) is not None for row in chosen) if ours else 0
        text = f"geometric mean, {what} ({compared} of {len(chosen)} programs)"
        texts.append(
            f"{text:{20 + 20 * len(machines)}}" + "".join(f"{_number(found[name][what]):>16}" for name in ours)
        )
    return texts


def translator_lines(rows: Sequence[Row], machine: str) -> list[str]:
    """What --stats says of translation in each program's last run, if it says anything."""
    last = {row.name: row.runs[machine][-1].stats for row in rows if row.runs.get(machine)}
    names = sorted({name for stats in last.values() for name in stats if name.startswith(TRANSLATOR)})
    if not names:
        return []
    lines = [f"{'':20}" + "".join(f"{name:>{len(name) + 2}}" for name in names)]
    for program, stats in last.items():
        lines.append(f"{program:20}" + "".join(f"{stats.get(name, 0):>{len(name) + 2}g}" for name in names))
    return lines


def _number(value: float | None, *, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
