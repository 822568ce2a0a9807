"""Subscriptions of one connection to the market stream, and the control messages for them."""

import json
from collections.abc import Iterable, Sequence

from websocket import WebSocketException

from market.wire.frames import Reply

MAX_NAMES_PER_MESSAGE = 200  # longer lists have failed silently
# The exchange allows 5 messages a second, and answers to its pings count among them.
MESSAGE_EVERY_S = 0.3


class Subscriptions:
    """The `wanted` symbols, and how far the exchange has been asked for their streams.

    Every symbol has a stream of each of the `kinds`. Times are seconds of the caller's clock.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.wanted: set[str] = set()
        self._kinds = kinds
        self._asked: dict[str, int] = {}  # symbol to the message that subscribed to it
        self._unwanted: set[str] = set()  # to unsubscribe from
        self._unanswered: dict[int, float] = {}  # message to when it was sent
        self._subscribing: dict[int, list[str]] = {}
        self._next_id = 1
        self._next_message_s = 0.0
        self._all_asked = True

    @property
    def settled(self) -> bool:
        """True where all has been asked for, and answered."""
        return self._all_asked and not self._unanswered

    def add(self, symbol: str) -> None:
        self.wanted.add(symbol)
        self._all_asked = False

    def drop(self, symbol: str) -> None:
        self.wanted.discard(symbol)
        if self._asked.pop(symbol, None) is not None:
            self._unwanted.add(symbol)
            self._all_asked = False

    def next_message(self, now_s: float) -> str | None:
        """The next control message, to be sent now; None while there is none or it is too soon."""
        if self._all_asked or now_s < self._next_message_s:
            return None
        if symbols := self._first_of(self._unwanted):
            self._unwanted.difference_update(symbols)
            return self._message("UNSUBSCRIBE", symbols, now_s)
        if symbols := self._first_of(self.wanted - self._asked.keys()):
            self._subscribing[self._next_id] = symbols
            self._asked.update(dict.fromkeys(symbols, self._next_id))
            return self._message("SUBSCRIBE", symbols, now_s)
        self._all_asked = True
        return None

    def unanswered_s(self, now_s: float) -> float:
        """Seconds that the oldest message without an answer has been waiting for one."""
        return now_s - min(self._unanswered.values(), default=now_s)

    def acknowledge(self, reply: Reply) -> list[str]:
        """The symbols that `reply` acknowledges. Raises WebSocketException where it refuses.

        Those that were dropped meanwhile, and perhaps asked for again, wait for a later one.
        """
        if reply.refused:
            # A connection may stay silent after a control error: begin afresh.
            raise WebSocketException(f"a control message was refused: {reply}")
        number = reply.id or 0
        self._unanswered.pop(number, None)
        symbols = self._subscribing.pop(number, [])
        return [symbol for symbol in symbols if self._asked.get(symbol) == number]

    def _first_of(self, symbols: Iterable[str]) -> list[str]:
        return sorted(symbols)[: MAX_NAMES_PER_MESSAGE // len(self._kinds)]

    def _message(self, method: str, symbols: Sequence[str], now_s: float) -> str:
        names = [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in self._kinds]
        message = json.dumps({"method": method, "params": names, "id": self._next_id})
        self._unanswered[self._next_id] = now_s
        self._next_id += 1
        self._next_message_s = now_s + MESSAGE_EVERY_S
        return message
