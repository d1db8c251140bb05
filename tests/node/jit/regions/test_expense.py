"""What a region is expected to cost: a guess at first, then what was measured."""

from node.jit.regions.expense import AT_FIRST_NS, BESIDES, Expense


def test_before_anything_is_measured_instructions_cost_what_they_cost_elsewhere() -> None:
    assert Expense().expected_ns(100) == (100 + BESIDES) * AT_FIRST_NS


def test_what_was_measured_soon_outweighs_the_guess() -> None:
    expense = Expense()
    for _ in range(100):
        expense.was(100, (100 + BESIDES) * 10_000)
    assert 10_000 < expense.expected_ns(1) / (1 + BESIDES) < 20_000
