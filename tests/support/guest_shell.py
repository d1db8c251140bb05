"""A shell on the console of a VM in a cluster: commands are typed, their output is collected."""

from controller.cli.tap import ConsoleTap
from tests.support.foreground_guest import PROMPT

LINE_S = 120.0


class Shell:
    """Once it has prompted."""

    def __init__(self, tap: ConsoleTap) -> None:
        self.tap = tap

    def until(self, text: str, bound_s: float = LINE_S, *, since: int = 0) -> str:
        """Everything from `since`, once it contains the text."""
        output = self.tap.until(lambda received: text.encode() in received[since:], bound_s)
        return output[since:].decode(errors="replace").replace("\r", "")

    def begin(self, command: str) -> None:
        self.tap.type(f"{command}\n".encode())

    def run(self, command: str) -> str:
        """What a command prints."""
        since = len(self.tap.received())
        self.begin(f"echo begin-of-'output'; {command}; echo end-of-'output'")
        text = self.until("end-of-output\r\n", since=since)
        return text.partition("begin-of-output\n")[2].partition("end-of-output\n")[0]

    def interrupt(self) -> None:
        """Ctrl+C, and the prompt that follows."""
        since = len(self.tap.received())
        self.tap.type(b"\x03")
        self.until(PROMPT, since=since)
