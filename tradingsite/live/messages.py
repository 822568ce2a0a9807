"""What pages are told, and how it waits: nothing important is passed over, and of passing
states only the newest. Plain values, time as an argument.
"""

from collections import deque
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

T = TypeVar("T")
FORMING = "forming"
TYPES = (
    "candle", FORMING, "signal", "order", "trade", "position", "status", "snapshot",
)  # fmt: skip
FORMING_PER_SECOND = 20


class Message(NamedTuple):
    """`data` is the API's JSON for the thing; `symbol` is None where it concerns all."""

    type: str
    symbol: str | None
    data: dict[str, Any]


class Told(NamedTuple):
    """A message as it travels: `text` is its JSON up to the place where `seq` belongs."""

    type: str
    symbol: str | None
    text: str


def written(message: Message) -> Told:
    """`message` as JSON, once for all who will get it."""
    data = orjson.dumps(message.data).decode()
    return Told(message.type, message.symbol, f'{{"type":"{message.type}","data":{data},"seq":')


def important(messages: list[Told]) -> int:
    """How many of them nobody may miss: all but the forming candles."""
    return sum(message.type != FORMING for message in messages)


class Backlog:
    """Messages that wait, oldest first; of forming candles only the newest of each symbol.

    Holds at most `most` messages besides the forming ones. Beyond that the oldest is dropped
    and counted in `dropped`. `added` counts all that were ever added, without the forming.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.added = 0
        self.dropped = 0
        self._waiting: deque[Told] = deque()
        self._forming: dict[str | None, Told] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._forming)

    def add(self, message: Told) -> None:
        if message.type == FORMING:
            self._forming[message.symbol] = message
            return
        self.added += 1
        self._waiting.append(message)
        if len(self._waiting) > self.most:
            self._waiting.popleft()
            self.dropped += 1

    def pop(self) -> Told:
        """The next one to tell; forming candles come last. Raises KeyError where none waits."""
        if self._waiting:
            return self._waiting.popleft()
        return self._forming.pop(next(iter(self._forming), None))

    def drain(self) -> list[Told]:
        messages = [*self._waiting, *self._forming.values()]
        self._waiting.clear()
        self._forming.clear()
        return messages


class Conflation(Generic[T]):
    """The newest state of each symbol, handed out one by one, evenly spaced.

    All symbols together get `per_second` places; whichever waits longest comes first. Times
    are milliseconds of any clock that only goes forward.
    """

    def __init__(self, per_second: int = FORMING_PER_SECOND) -> None:
        # Rounded up, so that no second ever has one more.
        self.spacing_ms = 1000 // per_second + 1
        self._newest: dict[str, T] = {}
        self._next_ms = 0

    def take(self, symbol: str, state: T) -> None:
        """A newer state takes the place of the one that waits, and its place in the row."""
        self._newest[symbol] = state

    def due(self, now_ms: int) -> tuple[str, T] | None:
        """The symbol and state to tell now; None where it is too early or nothing waits."""
        if not self._newest or now_ms < self._next_ms:
            return None
        self._next_ms = now_ms + self.spacing_ms
        symbol = next(iter(self._newest))
        return symbol, self._newest.pop(symbol)

    def wait_ms(self, now_ms: int) -> int | None:
        """How long until `due` has something; None where nothing waits."""
        return max(0, self._next_ms - now_ms) if self._newest else None
