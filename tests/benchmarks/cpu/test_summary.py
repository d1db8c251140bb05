"""From runs to the table."""

import pytest

from tests.benchmarks.cpu.measure import Run, stats_in
from tests.benchmarks.cpu.moments import Taken
from tests.benchmarks.cpu.summary import Row, geometric_mean, line, mean_lines, translator_lines


def row(name: str, kind: str, ours: list[float], theirs: list[float], **stats: float) -> Row:
    def runs(taken: list[float], **figures: float) -> list[Run]:
        return [Run(Taken(wall, wall / 2), 0, figures) for wall in taken]

    return Row(name, kind, {"limosa": runs(ours, **stats), "qemu": runs(theirs)}, {})


MACHINES = ["limosa", "qemu"]
SIEVE = row("sieve", "integer", [9.0, 2.0, 1.0], [4.0, 4.0, 1.0], instructions=4e9)
X87 = row("x87", "float", [0.5], [4.5])
ABSENT = Row("sse2", "float", {"limosa": [], "qemu": [Run(Taken(1.0, 1.0))]}, {"limosa": "no SSE2"})


def test_a_ratio_is_of_medians_and_above_one_when_we_are_faster() -> None:
    assert SIEVE.ratio("limosa", "wall") == pytest.approx(2.0)
    assert X87.ratio("limosa", "cpu") == pytest.approx(9.0)
    assert ABSENT.ratio("limosa", "wall") is None


def test_the_geometric_mean_leaves_out_what_was_not_measured() -> None:
    assert geometric_mean([2.0, 8.0, None]) == pytest.approx(4.0)
    assert geometric_mean([None]) is None


def test_means_say_of_how_many_programs_they_are() -> None:
    integer, everything = mean_lines([SIEVE, X87, ABSENT], MACHINES, "wall")
    assert integer.startswith("geometric mean, integer (1 of 1 programs)") and integer.endswith(" 2.00")
    assert everything.startswith("geometric mean, all (2 of 3 programs)") and everything.endswith(" 4.24")


def test_a_line_shows_medians_spread_ratio_speed_and_the_first_run() -> None:
    assert line(SIEVE, MACHINES, "wall").split() == (
        ["sieve", "2.000", "s", "±200", "%", "4.000", "s", "±", "38", "%", "2.00", "2000", "9.00"]
    )
    assert "no SSE2" in line(ABSENT, MACHINES, "wall")


def test_figures_of_a_translator_are_shown_where_stats_has_them() -> None:
    assert translator_lines([SIEVE], "limosa") == []
    heading, values = translator_lines([row("sieve", "integer", [1.0], [1.0], translated_instructions=7.0)], "limosa")
    assert heading.split() == ["translated_instructions"] and values.split() == ["sieve", "7"]


def test_stats_are_lines_of_a_name_and_a_number() -> None:
    said = "the guest wrote 0x0 to the debug-exit port\nseconds     2.500\ninstructions       123\nnot a figure\n"
    assert stats_in(said) == {"seconds": 2.5, "instructions": 123.0}
