"""Messages to pages and the queues they wait in: of forming candles only the newest waits, of
others every one. Plain values, time as an argument.
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


class EncodedMessage(NamedTuple):
    """A message as it travels: `text` is its JSON up to the place where `seq` belongs."""

    type: str
    symbol: str | None
    text: str


def encode(message: Message) -> EncodedMessage:
    """JSON of `message`, made once for all who will get it."""
    data = orjson.dumps(message.data).decode()
    return EncodedMessage(
        message.type, message.symbol, f'{{"type":"{message.type}","data":{data},"seq":'
    )


def count_reliable(messages: list[EncodedMessage]) -> int:
    """The number of messages that nobody may miss: all but the forming candles."""
    return sum(message.type != FORMING for message in messages)


class Backlog:
    """Messages that wait, oldest first; of forming candles only the newest of each symbol.

    Holds at most `max_messages` besides the forming ones. Beyond that the oldest is dropped
    and counted in `dropped`. `appended` counts all that ever were, without the forming.
    """

    def __init__(self, max_messages: int) -> None:
        self.max_messages = max_messages
        self.appended = 0
        self.dropped = 0
        self._waiting: deque[EncodedMessage] = deque()
        self._forming: dict[str | None, EncodedMessage] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._forming)

    def append(self, message: EncodedMessage) -> None:
        if message.type == FORMING:
            self._forming[message.symbol] = message
            return
        self.appended += 1
        self._waiting.append(message)
        if len(self._waiting) > self.max_messages:
            self._waiting.popleft()
            self.dropped += 1

    def pop(self) -> EncodedMessage:
        """The next one to send; forming candles come last. Raises KeyError where none waits."""
        if self._waiting:
            return self._waiting.popleft()
        return self._forming.pop(next(iter(self._forming), None))

    def drain(self) -> list[EncodedMessage]:
        messages = [*self._waiting, *self._forming.values()]
        self._waiting.clear()
        self._forming.clear()
        return messages


class Conflation(Generic[T]):
    """The newest state of each symbol, handed out one by one, evenly spaced.

    All symbols together get `per_second` turns; whichever waits longest comes first. Times
    are milliseconds of any clock that only goes forward.
    """

    def __init__(self, per_second: int = FORMING_PER_SECOND) -> None:
        # Rounded up, so that no second ever has one more.
        self.spacing_ms = 1000 // per_second + 1
        self._newest: dict[str, T] = {}
        self._next_ms = 0

    def replace(self, symbol: str, state: T) -> None:
        """Put a newer state in the place of the one that waits, and in its turn."""
        self._newest[symbol] = state

    def due(self, now_ms: int) -> tuple[str, T] | None:
        """The symbol and state to show now; None where it is too early or nothing waits."""
        if not self._newest or now_ms < self._next_ms:
            return None
        self._next_ms = now_ms + self.spacing_ms
        symbol = next(iter(self._newest))
        return symbol, self._newest.pop(symbol)

    def wait_ms(self, now_ms: int) -> int | None:
        """Milliseconds until `due` has something; None where nothing waits."""
        return max(0, self._next_ms - now_ms) if self._newest else None
