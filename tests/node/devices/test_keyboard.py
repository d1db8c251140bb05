"""The keyboard, at its end of the cable."""

import pytest

from node.devices.keyboard import QUEUE, Keyboard


def said(keyboard: Keyboard) -> list[int]:
    """All that it has to send."""
    answer = []
    while keyboard.waits_to_send:
        answer.append(keyboard.send())
    return answer


def talk(keyboard: Keyboard, *values: int) -> list[list[int]]:
    """Its answer to each of these bytes."""
    answers = []
    for value in values:
        keyboard.receive(value)
        answers.append(said(keyboard))
    return answers


@pytest.mark.parametrize(
    ("command", "answer"),
    [(0xFF, [0xFA, 0xAA]), (0xF2, [0xFA, 0xAB, 0x83]), (0xEE, [0xEE])]
    + [(command, [0xFA]) for command in range(0xF3, 0xFE)],
)
def test_commands_are_answered(command: int, answer: list[int]) -> None:
    assert talk(Keyboard(), command) == [answer]


def test_what_is_no_command_is_to_be_sent_again() -> None:
    for value in (*range(0xED), 0xEF, 0xF1):
        assert talk(Keyboard(), value) == [[0xFE]], hex(value)


def test_indicators_and_typematic_rate_have_one_option() -> None:
    for command in (0xED, 0xF3):
        assert talk(Keyboard(), command, 0x07, 0x07) == [[0xFA], [0xFA], [0xFE]]


def test_a_command_takes_the_place_of_an_option() -> None:
    for command in (0xED, 0xF0, 0xF3, 0xFB):
        assert talk(Keyboard(), command, 0xF2, 0x00) == [[0xFA], [0xFA, 0xAB, 0x83], [0xFE]], hex(command)


def test_the_scan_code_set_is_held_until_defaults_are_asked_for() -> None:
    keyboard = Keyboard()
    for number in (1, 2, 3):
        assert talk(keyboard, 0xF0, number, 0xF0, 0) == [[0xFA], [0xFA], [0xFA], [0xFA, number]]
    for command in (0xFF, 0xF6, 0xF5):
        talk(keyboard, 0xF0, 3, command)
        assert talk(keyboard, 0xF0, 0) == [[0xFA], [0xFA, 2]]


def test_a_set_that_there_is_not_may_be_corrected() -> None:
    assert talk(Keyboard(), 0xF0, 4, 3, 0xF0, 0) == [[0xFA], [0xFE], [0xFA], [0xFA], [0xFA, 3]]


def test_a_list_of_keys_is_ended_by_a_command() -> None:
    for command in (0xFB, 0xFC, 0xFD):
        assert talk(Keyboard(), command, 0x11, 0x39, 0xF4, 0x11) == [[0xFA], [0xFA], [0xFA], [0xFA], [0xFE]]


def test_a_byte_from_the_system_ends_the_answer_to_the_one_before() -> None:
    keyboard = Keyboard()
    keyboard.receive(0xF2)
    assert keyboard.send() == 0xFA
    assert talk(keyboard, 0xEE) == [[0xEE]]


def test_the_last_byte_is_sent_again_and_then_the_rest() -> None:
    keyboard = Keyboard()
    assert talk(keyboard, 0xFE) == [[0xAA]], "the outcome of the self-test"
    keyboard.receive(0xF2)
    assert [keyboard.send(), keyboard.send()] == [0xFA, 0xAB]
    assert talk(keyboard, 0xFE, 0xFE) == [[0xAB, 0x83], [0x83]]
    assert talk(keyboard, 0x00, 0xFE) == [[0xFE], [0x83]], "no request to repeat is repeated"
    assert talk(keyboard, 0xF0, 0xFE, 3, 0xF0, 0) == [[0xFA], [0xFA], [0xFA], [0xFA], [0xFA, 3]]


def test_however_often_a_byte_is_asked_for_the_queue_has_an_end() -> None:
    keyboard = Keyboard()
    talk(keyboard, 0xEE)
    for _ in range(3 * QUEUE):
        keyboard.receive(0xFE)
    assert said(keyboard) == [0xEE] * QUEUE
