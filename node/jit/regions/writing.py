"""Lines of LLVM text over a region's two private copies: names, loads and stores of fields."""

from node.jit.record_copies import offset

RARE, OFTEN = ", !prof !0", ", !prof !1"  # weights for `branch`: its first way is taken
KINDS = {"c": "cpu", "m": "machine"}  # by the letter that a region's text has for them; %ca and %ma are the copies


class Lines:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names = 0

    def add(self, *lines: str) -> None:
        self.lines += lines

    def name(self) -> str:
        self._names += 1
        return f"%t{self._names}"

    def value(self, expression: str) -> str:
        """The name of a new value."""
        name = self.name()
        self.lines.append(f"  {name} = {expression}")
        return name

    def pointer(self, letter: str, field: str, index: int = 0, record: str | None = None) -> str:
        """To a field of a copy, or of the record at `record`."""
        place = offset(KINDS[letter], field) + 8 * index
        return self.value(f"getelementptr i8, ptr {record or f'%{letter}a'}, i64 {place}")

    def load(self, letter: str, field: str, index: int = 0, record: str | None = None) -> str:
        return self.value(f"load i64, ptr {self.pointer(letter, field, index, record)}, align 8")

    def store(self, letter: str, field: str, value: str | int, index: int = 0, record: str | None = None) -> None:
        self.add(f"  store i64 {value}, ptr {self.pointer(letter, field, index, record)}, align 8")

    def branch(self, condition: str, yes: str, no: str, weights: str = "") -> None:
        self.add(f"  br i1 {condition}, label %{yes}, label %{no}{weights}")

    def label(self, name: str) -> None:
        self.add(f"{name}:")
