"""Rows of an answer, those left out that cannot be read."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from market.wire.bounds import BadFrame, check, decode
from market.wire.damage import damage

T = TypeVar("T")
R = TypeVar("R")
_raw_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Rows(list[T]):
    """Rows that were read; `left_out` counts those that were not.

    Where some were left out, nothing may be concluded from the absence of one.
    """

    def __init__(self, rows: Iterable[T] = (), left_out: int = 0) -> None:
        super().__init__(rows)
        self.left_out = left_out

    @property
    def listed(self) -> int:
        """Rows in the answer, read or not."""
        return len(self) + self.left_out

    def check_whole(self, what: str) -> None:
        """Raise BadFrame where some were left out."""
        check(not self.left_out, f"{self.left_out} of {self.listed} {what} could not be read")


def read_rows(
    decoder: msgspec.json.Decoder[R], convert: Callable[[R], T], body: bytes, what: str
) -> Rows[T]:
    """The rows of a list of `what`, each decoded, then converted and checked by itself.

    Raises BadFrame where the answer is no list at all.
    """
    rows: Rows[T] = Rows()
    for raw in decode(_raw_rows, body, f"a list of {what}"):
        try:
            rows.append(convert(decode(decoder.decode, bytes(raw), what)))
        except BadFrame as error:
            rows.left_out += 1
            damage.note(f"row of {what}", str(error))
    return rows
