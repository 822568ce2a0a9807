"""One socket's share of what is told: what it asked for, at the speed it can take it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from tradingsite.live.messages import TYPES, Backlog, Message, Told, written

Send = Callable[[dict[str, Any]], Awaitable[None]]

BACKLOG_MOST = 1_000  # messages
SLOW_AFTER = 5.0  # seconds without room for a single message
PARAMETERS = ("symbols", "types", "token")
SYMBOL = re.compile(r"[A-Z0-9]{1,40}")


class Refusal(Exception):
    """The socket is closed with `code`; the text tells its user what to do about it."""

    def __init__(self, code: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.error = error


@dataclass(frozen=True)
class Wanted:
    """Which symbols and types a socket asked for; None means all of them."""

    symbols: frozenset[str] | None = None
    types: frozenset[str] | None = None

    @classmethod
    def of(cls, query_string: bytes) -> "Wanted":
        """Read `symbols=BTCUSDT,ETHUSDT&types=candle,signal`. Raises Refusal (code 4400)."""
        query = dict(parse_qsl(query_string.decode("latin-1")))
        for name in query.keys() - set(PARAMETERS):
            raise _bad(name, query[name], f"use {', '.join(PARAMETERS)}")
        symbols = _words(query.get("symbols", "").upper())
        types = _words(query.get("types", ""))
        for symbol in symbols or ():
            if not SYMBOL.fullmatch(symbol):
                raise _bad("symbols", symbol, "use names like BTCUSDT, comma-separated")
        for kind in types or ():
            if kind not in TYPES:
                raise _bad("types", kind, f"use {', '.join(TYPES)}")
        return cls(symbols, types)

    def wants(self, message: Told) -> bool:
        return self.wants_type(message.type) and self.wants_symbol(message.symbol)

    def wants_type(self, kind: str) -> bool:
        return self.types is None or kind in self.types

    def wants_symbol(self, symbol: str | None) -> bool:
        return self.symbols is None or symbol is None or symbol in self.symbols


def _words(text: str) -> frozenset[str] | None:
    return frozenset(word.strip() for word in text.split(",") if word.strip()) or None


def _bad(name: str, value: str, allowed: str) -> Refusal:
    return Refusal(4400, "bad_parameter", f"{name}: {value[:60]!r} cannot be used: {allowed}")


class Feed:
    """Sends what its socket wants, each message with the next `seq`.

    While the socket has no room, messages wait: of forming candles only the newest, of others
    up to BACKLOG_MOST. It begins held: nothing is sent before `release`.
    """

    def __init__(self, send: Send) -> None:
        self.wanted = Wanted()
        self.seq = 0
        self.backlog = Backlog(BACKLOG_MOST)
        self.held = True
        self.full_since: float | None = None
        self._send = send

    async def offer(self, message: Told) -> None:
        if self.held or self.full_since is not None or self.backlog:
            self.backlog.add(message)
        else:
            await self.tell(message.text)

    async def tell(self, text: str) -> None:
        """Send at once; `text` is JSON up to the place where the number belongs."""
        self.seq += 1
        await self._send({"type": "websocket.send", "text": f"{text}{self.seq}}}"})

    async def release(self) -> None:
        """Send what waited for as long as there is room."""
        self.held = False
        while self.backlog and self.full_since is None:
            await self.tell(self.backlog.pop().text)

    def too_slow(self, now: float) -> bool:
        stuck = self.full_since is not None and now - self.full_since > SLOW_AFTER
        return stuck or self.backlog.dropped > 0

    async def refuse(self, refusal: Refusal) -> None:
        """Say why before closing: daphne passes a close code on, but no reason."""
        error = {"error": refusal.error, "detail": str(refusal)}
        await self.tell(written(Message("error", None, error)).text)
        await self.close(refusal.code, str(refusal))

    async def close(self, code: int, reason: str) -> None:
        self.held = True
        await self._send({"type": "websocket.close", "code": code, "reason": reason[:100]})
