"""What Debian's own python3 and perl compute in a guest: programs whose answers a host can give as well.

`PYTHON_EXACT` has the same answers in every Python ≥ 3.11 on every processor: hashes, integers of some thousand bits,
doubles read and written to the last digit. The `ROUNDED` ones do arithmetic on doubles. i386's Python and Perl do that
on the x87, which rounds some results twice, so only the same program on another processor answers the same.
"""

import base64
import hashlib
import math
import re
import struct
import zlib
from collections import Counter

PYTHON_EXACT = """
import hashlib, math, random, struct, sys, zlib

draw = random.Random(int(sys.argv[1]))
data = draw.randbytes(70_001) + bytes(range(256)) * 400
for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s"):
    print(name, hashlib.new(name, data).hexdigest())
print(zlib.crc32(data), zlib.adler32(data), zlib.decompress(zlib.compress(data)) == data)

for _ in range(10):
    a, b, c = draw.getrandbits(5000), draw.getrandbits(2100) | 1, draw.getrandbits(300)
    print(a * b, a // b, a % b, -a // b, pow(a, c, b), math.isqrt(a), math.gcd(a * c, b * c), a.bit_count())

told = hashlib.sha256()
for _ in range(1500):
    (value,) = struct.unpack("<d", draw.randbytes(8))
    if math.isfinite(value):
        assert float(repr(value)) == value == float.fromhex(value.hex()) == float(f"{value:.17g}")
        told.update(f"{value!r} {value:.3e} {value:.12g} {math.frexp(value)} {struct.pack('<d', value).hex()}".encode())
    text = f"{draw.getrandbits(80)}.{draw.getrandbits(60)}e{draw.randrange(-320, 280)}"
    told.update(repr(float(text)).encode())
print(told.hexdigest())
print(float("4.9e-324"), float("1.7976931348623157e308"), 1e16 + 1, round(2.5), (0.1).as_integer_ratio())
print(sorted(draw.sample(range(10**6), 500), key=lambda n: (n % 97, n)))
print(sum(1 for n in range(3, 6000, 2) if pow(2, n - 1, n) == 1), sum(divmod(n * n, 977)[1] for n in range(20000)))
"""

PYTHON_ROUNDED = """
import cmath, math, random, sys

draw = random.Random(int(sys.argv[1]))
total = 0.0
for _ in range(600):
    x, y = draw.uniform(-30, 30), draw.uniform(1e-3, 1e3)
    found = [x + y, x - y, x * y, x / y, x % y, x // y, y**x, math.sqrt(y), math.hypot(x, y), math.fmod(x, y)]
    found += [math.sin(x), math.cos(x), math.tan(x), math.atan2(x, y), math.exp(x), math.log(y), math.log2(y)]
    found += [math.sinh(x), math.gamma(y / 10), math.erf(x), math.expm1(x), math.cbrt(y), abs(cmath.exp(complex(x, y)))]
    total += math.fsum(found)
    print(*found, round(x), math.floor(y), sep=" ")
print(total)
"""

PERL_EXACT = r"""
use strict; use warnings;
use Digest::SHA qw(sha256_hex sha512_hex); use Math::BigInt; use MIME::Base64; use Compress::Zlib;

my ($state, $count) = (shift @ARGV, 4000);
sub draw { $state = ($state * 1103515245 + 12345) % 2147483648; return $state >> 7 }
my @words = map { join "", map { chr(97 + draw() % 5) } 1 .. 1 + draw() % 4 } 1 .. $count;
my $text = join " ", @words;
print sha256_hex($text), " ", sha512_hex($text), " ", crc32($text), "\n";
my %seen; $seen{$_}++ for @words;
print join(",", map { "$_=$seen{$_}" } (sort { $seen{$b} <=> $seen{$a} || $a cmp $b } keys %seen)[0 .. 49]), "\n";
my $doubled = () = $text =~ /([a-e])\1/g;
(my $turned = $text) =~ s/\b(\w)(\w*)/\u$1\L$2/g;
print $doubled, " ", sha256_hex($turned), " ", sha256_hex(join " ", reverse sort @words), "\n";
my $packed = Compress::Zlib::memGzip($text);
print sha256_hex(encode_base64(pack("N*", map { draw() } 1 .. 500), "")), " ";
print Compress::Zlib::memGunzip($packed) eq $text, "\n";
my $power = Math::BigInt->new(2)->bmodpow(draw(), "1000000000000000003");
print Math::BigInt->new(3)->bpow(400), " ", Math::BigInt->new(70)->bfac(), " $power\n";
printf "%d %x %o %s\n", 9223372036854775807, 3735928559, 511, join ":", map { sprintf "%04b", $_ } 5, 10;
"""

PERL_ROUNDED = r"""
my $state = shift @ARGV;
sub draw { $state = ($state * 1103515245 + 12345) % 2147483648; return ($state >> 7) / 1024 + 0.3 }
for (1 .. 600) {
    my ($x, $y) = (draw(), draw());
    my @found = ($x + $y, $x * $y, $x / $y, sqrt $x, sin $x, cos $y, atan2($x, $y), log $x, exp($y / 100));
    printf "%.17g " x 9 . "\n", @found;
}
"""


def perl_exact(seed: int) -> str:
    """What PERL_EXACT must print, computed in Python."""
    state, count = seed, 4000

    def draw() -> int:
        nonlocal state
        state = (state * 1103515245 + 12345) % 2147483648
        return state >> 7

    words = []
    for _ in range(count):
        length = 1 + draw() % 4
        words.append("".join(chr(97 + draw() % 5) for _ in range(length)))
    text = " ".join(words)
    counted = sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))[:50]
    doubled = len(re.findall(r"([a-e])\1", text))
    numbers = struct.pack(">500I", *(draw() for _ in range(500)))
    lines = [
        f"{_sha256(text)} {hashlib.sha512(text.encode()).hexdigest()} {zlib.crc32(text.encode())}",
        ",".join(f"{word}={times}" for word, times in counted),
        f"{doubled} {_sha256(text.title())} {_sha256(' '.join(sorted(words, reverse=True)))}",
        f"{_sha256(base64.b64encode(numbers).decode())} 1",
        f"{3**400} {math.factorial(70)} {pow(2, draw(), 1000000000000000003)}",
        "9223372036854775807 deadbeef 777 0101:1010",
    ]
    return "".join(f"{line}\n" for line in lines)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
