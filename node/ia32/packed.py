"""What packed integer operations compute, in plain Python over 128-bit ints (SDM 2, the instructions' pages).

`MEANING[name](a, b)` is what the instruction `name` leaves in its destination: `a` is the old destination, `b` the
source. This is the plain reading of `host_sse.compute`; native code has the host's own instruction. MMX registers are
the lower halves: operations that mix the halves have an entry of their own, ending in `_mmx`.
"""

from collections.abc import Callable, Iterable

Meaning = Callable[[int, int], int]
M64, M128 = (1 << 64) - 1, (1 << 128) - 1


def lanes(value: int, bits: int, count: int | None = None) -> list[int]:
    """Unsigned lanes, the lowest first."""
    mask = (1 << bits) - 1
    return [value >> i * bits & mask for i in range(count or 128 // bits)]


def join(values: Iterable[int], bits: int) -> int:
    mask, result = (1 << bits) - 1, 0
    for i, value in enumerate(values):
        result |= (value & mask) << i * bits
    return result


def signed(value: int, bits: int) -> int:
    return (value ^ 1 << bits - 1) - (1 << bits - 1)


def clamp(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def each(bits: int, one: Callable[[int, int], int], *, sign: bool = False) -> Meaning:
    """The same for every pair of lanes."""

    def whole(a: int, b: int) -> int:
        pairs = zip(lanes(a, bits), lanes(b, bits), strict=True)
        return join((one(signed(x, bits), signed(y, bits)) if sign else one(x, y) for x, y in pairs), bits)

    return whole


def saturated(bits: int, one: Callable[[int, int], int], *, sign: bool) -> Meaning:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if sign else (0, (1 << bits) - 1)
    return each(bits, lambda x, y: clamp(one(x, y), low, high), sign=sign)


def pack(bits: int, *, sign: bool, width: int = 128) -> Meaning:
    """Signed lanes of both operands, `a` first, narrowed with saturation."""
    low, high = (-(1 << bits // 2 - 1), (1 << bits // 2 - 1) - 1) if sign else (0, (1 << bits // 2) - 1)

    def whole(a: int, b: int) -> int:
        both = lanes(a, bits, width // bits) + lanes(b, bits, width // bits)
        return join((clamp(signed(x, bits), low, high) for x in both), bits // 2)

    return whole


def unpack(bits: int, *, high: bool, width: int = 128) -> Meaning:
    """Lanes of one half of both operands, in turn."""

    def whole(a: int, b: int) -> int:
        count = width // bits // 2
        start = count if high else 0
        x, y = lanes(a, bits)[start : start + count], lanes(b, bits)[start : start + count]
        return join((lane for pair in zip(x, y, strict=True) for lane in pair), bits)

    return whole


def shift(bits: int, kind: str) -> Meaning:
    """Every lane of `a` by the lower 64 bits of `b`."""

    def whole(a: int, b: int) -> int:
        count = min(b & M64, bits)
        if kind == "l":
            return join((x << count for x in lanes(a, bits)), bits)
        if kind == "r":
            return join((x >> count for x in lanes(a, bits)), bits)
        return join((signed(x, bits) >> min(count, bits - 1) for x in lanes(a, bits)), bits)

    return whole


def multiply_add(a: int, b: int) -> int:
    products = [signed(x, 16) * signed(y, 16) for x, y in zip(lanes(a, 16), lanes(b, 16), strict=True)]
    return join((products[i] + products[i + 1] for i in range(0, 8, 2)), 32)


def sum_of_differences(a: int, b: int) -> int:
    differences = [abs(x - y) for x, y in zip(lanes(a, 8), lanes(b, 8), strict=True)]
    return sum(differences[:8]) | sum(differences[8:]) << 64


def sign_bits(bits: int) -> Meaning:
    """PMOVMSKB, MOVMSKPS, MOVMSKPD: the top bit of every lane of the source."""
    return lambda _a, b: sum(lane >> bits - 1 << i for i, lane in enumerate(lanes(b, bits)))


def low_from_b(bits: int) -> Meaning:
    return lambda a, b: a & M128 & ~((1 << bits) - 1) | b & (1 << bits) - 1


MEANING: dict[str, Meaning] = {
    "pand": lambda a, b: a & b,
    "pandn": lambda a, b: ~a & b,
    "por": lambda a, b: a | b,
    "pxor": lambda a, b: a ^ b,
    "pmullw": each(16, lambda x, y: x * y),
    "pmulhw": each(16, lambda x, y: x * y >> 16, sign=True),
    "pmulhuw": each(16, lambda x, y: x * y >> 16),
    "pmuludq": each(64, lambda x, y: (x & 0xFFFF_FFFF) * (y & 0xFFFF_FFFF)),
    "pmaddwd": multiply_add,
    "psadbw": sum_of_differences,
    "pavgb": each(8, lambda x, y: x + y + 1 >> 1),
    "pavgw": each(16, lambda x, y: x + y + 1 >> 1),
    "pminub": each(8, min),
    "pmaxub": each(8, max),
    "pminsw": each(16, min, sign=True),
    "pmaxsw": each(16, max, sign=True),
    "packsswb": pack(16, sign=True),
    "packssdw": pack(32, sign=True),
    "packuswb": pack(16, sign=False),
    "packsswb_mmx": pack(16, sign=True, width=64),
    "packssdw_mmx": pack(32, sign=True, width=64),
    "packuswb_mmx": pack(16, sign=False, width=64),
    "pmovmskb": sign_bits(8),
    "movmskps": sign_bits(32),
    "movmskpd": sign_bits(64),
    "movss": low_from_b(32),
    "movsd": low_from_b(64),
    "movhlps": lambda a, b: a & ~M64 & M128 | b >> 64,
    "high": lambda _a, b: b >> 64,
    "low": lambda _a, b: b & M64,
}
for _letter, _bits in (("b", 8), ("w", 16), ("d", 32), ("q", 64)):
    MEANING[f"padd{_letter}"] = each(_bits, lambda x, y: x + y)
    MEANING[f"psub{_letter}"] = each(_bits, lambda x, y: x - y)
    if _bits < 64:
        MEANING[f"pcmpeq{_letter}"] = each(_bits, lambda x, y: -(x == y))
        MEANING[f"pcmpgt{_letter}"] = each(_bits, lambda x, y: -(x > y), sign=True)
    if _bits < 32:
        for _sign in (True, False):
            _kind = "s" if _sign else "us"
            MEANING[f"padd{_kind}{_letter}"] = saturated(_bits, lambda x, y: x + y, sign=_sign)
            MEANING[f"psub{_kind}{_letter}"] = saturated(_bits, lambda x, y: x - y, sign=_sign)
    if _bits > 8:
        MEANING[f"psll{_letter}"] = shift(_bits, "l")
        MEANING[f"psrl{_letter}"] = shift(_bits, "r")
    if 8 < _bits < 64:
        MEANING[f"psra{_letter}"] = shift(_bits, "a")
for _name, _bits in (("bw", 8), ("wd", 16), ("dq", 32), ("qdq", 64)):
    MEANING[f"punpckl{_name}"] = unpack(_bits, high=False)
    MEANING[f"punpckh{_name}"] = unpack(_bits, high=True)
    if _bits < 64:
        MEANING[f"punpckh{_name}_mmx"] = unpack(_bits, high=True, width=64)


def rearranged(kind: str, a: int, b: int, order: int) -> int:
    """Instructions whose immediate says which lane, or byte, goes where (`host_sse.SHUFFLES`)."""
    two = [order >> i & 3 for i in (0, 2, 4, 6)]
    if kind == "pshufd":
        return join((lanes(b, 32)[i] for i in two), 32)
    if kind == "pshuflw":
        return join([*(lanes(b, 16)[i] for i in two), *lanes(b, 16)[4:]], 16)
    if kind == "pshufhw":
        return join([*lanes(b, 16)[:4], *(lanes(b, 16)[4 + i] for i in two)], 16)
    if kind == "shufps":
        x, y = lanes(a, 32), lanes(b, 32)
        return join((x[two[0]], x[two[1]], y[two[2]], y[two[3]]), 32)
    if kind == "shufpd":
        return join((lanes(a, 64)[order & 1], lanes(b, 64)[order >> 1 & 1]), 64)
    if kind == "pinsrw":
        kept = lanes(a, 16)
        kept[order & 7] = b & 0xFFFF
        return join(kept, 16)
    if kind == "pextrw":
        return lanes(b, 16)[order & 7]
    count = min(order, 16) * 8
    return a << count & M128 if kind == "pslldq" else a >> count
