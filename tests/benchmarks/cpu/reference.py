"""What each program must print, computed on the host: by hashlib, zlib, numpy and plain Python.

A program's rounds differ only in their number, so most are computed for all rounds at once, one array element a round;
`WORD` arithmetic wraps at 32 bits as the guest's does.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

WORD = np.uint32
Words = npt.NDArray[np.uint32]

M32 = 0xFFFF_FFFF
FIRST_RANDOM = 2463534242
FOLD = 31


def next_random(x: int) -> int:
    x ^= x << 13 & M32
    x ^= x >> 17
    return x ^ x << 5 & M32


def randoms(count: int, x: int = FIRST_RANDOM) -> list[int]:
    found = []
    for _ in range(count):
        x = next_random(x)
        found.append(x)
    return found


def fold(words: Iterable[int], start: int = 0) -> int:
    for word in words:
        start = (start * FOLD + int(word)) & M32
    return start


def fold_array(words: npt.NDArray[np.integer]) -> int:
    """`fold` of a long array, by the powers of FOLD."""
    powers = np.ones(words.size, dtype=np.uint64)
    for i in range(1, words.size):
        powers[i] = int(powers[i - 1]) * FOLD & M32
    return int(sum((words.astype(np.uint64) * powers[::-1] & np.uint64(M32)).tolist())) & M32


def numbers(rounds: int) -> Words:
    return np.arange(rounds, dtype=WORD)


def rotate_left(value: Words, bits: int) -> Words:
    return value << WORD(bits) | value >> WORD(32 - bits)


def integer(rounds: int) -> int:
    a, b = numbers(rounds), np.ones(rounds, dtype=WORD)
    for i, x in enumerate(randoms(100_000)):
        a += WORD(x) ^ b
        b = rotate_left(b, 7) - a
        if x >> 31:
            b ^= a >> WORD(3)
        else:
            a = a * WORD(5) + WORD(i)
    return fold(a ^ b)


def sieve(rounds: int) -> int:
    limit = 1_000_000
    prime = np.ones(limit, dtype=bool)
    prime[:2] = False
    for i in range(2, 1001):
        if prime[i]:
            prime[i * i :: i] = False
    return fold(numbers(rounds) + WORD(int(prime.sum())))


def recursion(rounds: int) -> int:
    def takeuchi(x: int, y: int, z: int) -> int:
        if y >= x:
            return z
        return takeuchi(takeuchi(x - 1, y, z), takeuchi(y - 1, z, x), takeuchi(z - 1, x, y))

    fibonacci, after = 0, 1
    for _ in range(20):
        fibonacci, after = after, fibonacci + after
    return fold(numbers(rounds) + WORD(fibonacci + takeuchi(14, 9, 4)))


def dispatch(rounds: int) -> int:
    value = numbers(rounds)
    operations: list[Callable[[Words, int], Words]] = [
        lambda value, operand: value + WORD(operand),
        lambda value, operand: value - WORD(operand),
        lambda value, operand: value ^ WORD(operand),
        lambda value, operand: value | WORD(operand & 0xFF),
        lambda value, operand: rotate_left(value, operand % 31 + 1),
        lambda value, operand: value * WORD(operand | 1),
        lambda value, operand: value + WORD(operand >> 3),
        lambda value, operand: ~value - WORD(operand & 1),
    ]
    for _ in range(20):
        for x in randoms(512):
            value = operations[x >> 29](value, x)
    return fold(value)


def quicksort(rounds: int) -> int:
    x, columns = numbers(rounds) + WORD(FIRST_RANDOM), []
    for _ in range(32768):
        x = x ^ x << WORD(13)
        x = x ^ x >> WORD(17)
        x = x ^ x << WORD(5)
        columns.append(x)
    rows = np.sort(np.array(columns), axis=0)
    weights = np.arange(1, 32769, dtype=WORD)
    return fold((rows * weights[:, None]).sum(axis=0, dtype=WORD))


def crc32(rounds: int) -> int:
    data = bytearray(x >> 24 for x in randoms(65536))

    def crc(number: int) -> int:
        data[0] = number & 0xFF
        return zlib.crc32(data)

    return fold(crc(number) for number in range(rounds))


def sha256(rounds: int) -> int:
    data = np.array(randoms(512 * 16), dtype=WORD)

    def digest(number: int) -> int:
        data[0] = number
        return fold(np.frombuffer(hashlib.sha256(data.tobytes()).digest(), dtype=">u4"))

    return fold(digest(number) for number in range(rounds))


def matrix(rounds: int) -> int:
    cells = np.array(randoms(2 * 64 * 64), dtype=WORD)
    a, b = cells[0::2].reshape(64, 64).copy(), cells[1::2].reshape(64, 64)

    def product(number: int) -> int:
        a[0, 0] = number
        return fold_array((a @ b).ravel())

    return fold(product(number) for number in range(rounds))


def matrix_x87(rounds: int) -> int:
    """The host's long double is the x87's format on x86 only."""
    return _matrix_of_doubles(rounds, np.longdouble)


def matrix_sse2(rounds: int) -> int:
    return _matrix_of_doubles(rounds, np.float64)


def _matrix_of_doubles(rounds: int, summed_in: type[np.floating]) -> int:
    cells = np.array(randoms(2 * 64 * 64), dtype=WORD).view(np.int32).astype(np.float64)
    a, b = (cells[0::2] / 65536).reshape(64, 64), (cells[1::2] / 3).reshape(64, 64)

    def product(number: int) -> int:
        a[0, 0] = number
        total = np.zeros((64, 64), dtype=summed_in)
        for k in range(64):  # in the guest's order: floating-point sums depend on it
            total += np.multiply.outer(a[:, k].astype(summed_in), b[k].astype(summed_in))
        return fold_array(total.astype(np.float64).ravel().view(WORD))

    return fold(product(number) for number in range(rounds))


def copy(rounds: int) -> int:
    words = 131072
    here = np.array(randoms(words), dtype=WORD)
    samples = np.arange(64) * (words // 64)

    def copied(number: int) -> int:
        there = here.copy()
        here.view(np.uint8)[1:65537] = there.view(np.uint8)[2:65538]
        here[words // 2 : words // 2 + 16384] = there[3 * 16384 : 4 * 16384]
        here[number % words : number % words + 1] += WORD(number)
        return fold(here[(number * 97 + samples) % words])

    return fold(copied(number) for number in range(rounds))


def chase(rounds: int) -> int:
    lines, steps = 1 << 20, 100_000
    after, x = list(range(lines)), FIRST_RANDOM
    for i in range(lines - 1, 0, -1):
        x = next_random(x)
        other = x % i
        after[i], after[other] = after[other], after[i]
    order = [0]
    while after[order[-1]]:
        order.append(after[order[-1]])
    assert len(order) == lines, "one cycle over all lines"
    return fold(order[(number + 1) * steps % lines] + number for number in range(rounds))


def text(rounds: int) -> int:
    content = bytearray(b"abcdabcdabcd   \n"[x >> 28] for x in randoms(65536))

    def scanned(number: int) -> int:
        content[number % 65536] = b"abcd \n"[number % 6]
        return fold((len(content.split()), content.count(b"\n"), content.count(b"dab")))

    return fold(scanned(number) for number in range(rounds))


def self_modifying(rounds: int) -> int:
    value = numbers(rounds)
    for x in randoms(200):
        for _ in range(10):
            value = (value + WORD(x), value - WORD(x), value ^ WORD(x))[x % 3]
            value = rotate_left(value, 5)
    return fold(value)


def syscalls(rounds: int) -> int:
    value = numbers(rounds)
    for _ in range(1000):
        value = rotate_left(value + WORD(0x9E3779B9) ^ WORD(0x85EBCA77), 5)
    return fold(value)


def page_faults(rounds: int) -> int:
    pages = list(range(256))

    def touched(number: int) -> int:
        ebx = number
        for i in range(256):
            ebx = (ebx + pages[i]) & M32
            pages[i] = ebx = (ebx << 3 | ebx >> 29) & M32
        return ebx + (number + 1) * 512  # two faults a page

    return fold(touched(number) for number in range(rounds))


def address_spaces(rounds: int) -> int:
    value = numbers(rounds)
    for _ in range(500):
        for page in range(16):
            value = rotate_left(value + WORD((page + 1) * 0x01234567), 1)
    return fold(value)
