"""Mutations of an input: bytes, runs of bytes, and JSON values replaced by hostile ones."""

import re
from collections.abc import Sequence
from random import Random

MAX_BYTES = 1 << 20
VALUE = re.compile(rb'"(?:[^"\\]|\\.){0,60}"|-?\d[\d.]{0,40}|true|false|null')
HOSTILE = (
    b"0", b'"0"', b"-1", b'"-1"', b'"NaN"', b'"sNaN"', b'"Infinity"', b'"-Infinity"', b"1e400",
    b'"1e400"', b'"1e-999999999"', b'"1e999999999"', b'"0E+999999999"', b'"' + b"9" * 200 + b'"',
    b"9" * 200, b"9223372036854775808", b"-9223372036854775809", b"2147483648", b"1723161255342000",
    b"99999999999999", b"null", b"true", b"[]", b"{}", b'""', b'"\\u0000"', b'"\xff"', b'"\\ud800"',
    b'"' + b"A" * 5000 + b'"', b"[" * 300, b'{"a":' * 300, b"1.5", b'"0x10"', b'"1_000"',
    b'"0.' + b"0" * 300 + b'1"', "\"\u0661\u0662\"".encode(),
)  # fmt: skip


def mutated(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """`data` with one to five mutations; `others` are inputs to splice it with."""
    for _ in range(random.randint(1, 5)):
        data = random.choice(MUTATIONS)(data, others, random)[:MAX_BYTES]
    return data


def _flip(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _cut(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _slice(data, random)
    return data[:start] + data[end:]


def _repeat(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start, end = _slice(data, random)
    return data[:end] + data[start:end] * random.choice((1, 2, 50)) + data[end:]


def _insert(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.randbytes(random.randint(1, 8)) + data[at:]


def _splice(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    start, end = _slice(data, random)
    other = random.choice(others) if others else data
    first, last = _slice(other, random)
    return data[:start] + other[first:last] + data[end:]


def _replace_value(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """A JSON value replaced; so a number comes in every place where one is read."""
    found = [one.span() for one in VALUE.finditer(data[:20_000])]
    if not found:
        return data
    start, end = random.choice(found)
    return data[:start] + random.choice(HOSTILE) + data[end:]


def _slice(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice((1, 4, 16, 64, 256)))


MUTATIONS = (_flip, _cut, _repeat, _insert, _splice, *[_replace_value] * 5)
