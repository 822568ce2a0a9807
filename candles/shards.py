"""A share of the symbols: one of so many stream processes that split them."""

import re
from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Shard:
    """The `number`th of `count` shares, counted from 1. A symbol's share never moves."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `2/3`. Raises ValueError for what is no share."""
        match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
        if match:
            shard = cls(int(match[1]), int(match[2]))
            if 1 <= shard.number <= shard.count:
                return shard
        raise ValueError(f"{text!r} is no share: use I/N, from 1/N to N/N")

    def covers(self, symbol: str) -> bool:
        return crc32(symbol.encode()) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
