"""A client's channel: the messages that its socket asked for, at the speed it can take them."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from accounts.services import Credential
from tradingsite.live.messages import TYPES, Backlog, EncodedMessage, Message, encode

Send = Callable[[dict[str, Any]], Awaitable[None]]

MAX_BACKLOG = 1_000  # messages
SLOW_AFTER_S = 5.0  # without room for a single message
PARAMETERS = ("symbols", "types", "token")
SYMBOL = re.compile(r"\w{1,40}")  # the exchange's names are not all in ASCII


class Refusal(Exception):
    """The socket is closed with `code`; the text says what to do about it."""

    def __init__(self, code: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.error = error


@dataclass(frozen=True)
class Filter:
    """Symbols and types that a socket asked for; None means all of them."""

    symbols: frozenset[str] | None = None
    types: frozenset[str] | None = None

    @classmethod
    def parse(cls, query_string: bytes) -> "Filter":
        """Read `symbols=BTCUSDT,ETHUSDT&types=candle,signal`. Raises Refusal (code 4400)."""
        query = dict(parse_qsl(query_string.decode("utf-8", "replace")))
        for name in query.keys() - set(PARAMETERS):
            raise _bad_parameter(name, query[name], f"use {', '.join(PARAMETERS)}")
        symbols = _comma_separated(query.get("symbols", "").upper())
        types = _comma_separated(query.get("types", ""))
        for symbol in symbols or ():
            if not SYMBOL.fullmatch(symbol):
                raise _bad_parameter("symbols", symbol, "use names like BTCUSDT, comma-separated")
        for kind in types or ():
            if kind not in TYPES:
                raise _bad_parameter("types", kind, f"use {', '.join(TYPES)}")
        return cls(symbols, types)

    def passes(self, message: EncodedMessage) -> bool:
        return self.passes_type(message.type) and self.passes_symbol(message.symbol)

    def passes_type(self, kind: str) -> bool:
        return self.types is None or kind in self.types

    def passes_symbol(self, symbol: str | None) -> bool:
        return self.symbols is None or symbol is None or symbol in self.symbols


def _comma_separated(text: str) -> frozenset[str] | None:
    return frozenset(word.strip() for word in text.split(",") if word.strip()) or None


def _bad_parameter(name: str, value: str, allowed: str) -> Refusal:
    return Refusal(4400, "bad_parameter", f"{name}: {value[:60]!r} cannot be used: {allowed}")


class ClientChannel:
    """Sends what passes its `filter`, each message with the next `seq`.

    While the socket has no room, messages wait: of forming candles only the newest, of others
    up to MAX_BACKLOG. It begins paused: nothing is sent before `resume`. `credential` is what it
    was let in with; None where everybody is.
    """

    def __init__(self, send: Send, credential: Credential | None = None) -> None:
        self.filter = Filter()
        self.credential = credential
        self.seq = 0
        self.backlog = Backlog(MAX_BACKLOG)
        self.paused = True
        self.full_since: float | None = None
        self._send = send

    async def offer(self, message: EncodedMessage) -> None:
        """Send now, or as soon as there is room."""
        if self.paused or self.full_since is not None or self.backlog:
            self.backlog.append(message)
        else:
            await self.send_text(message.text)

    async def send_text(self, text: str) -> None:
        """Send at once; `text` is JSON up to the place where the number belongs."""
        self.seq += 1
        await self._send({"type": "websocket.send", "text": f"{text}{self.seq}}}"})

    async def resume(self) -> None:
        """Send what waited for as long as there is room."""
        self.paused = False
        while self.backlog and self.full_since is None:
            await self.send_text(self.backlog.pop().text)

    def too_slow(self, now: float) -> bool:
        """True where it does not keep up even without the forming candles; monotonic seconds."""
        stuck = self.full_since is not None and now - self.full_since > SLOW_AFTER_S
        return stuck or self.backlog.dropped > 0

    async def refuse(self, refusal: Refusal) -> None:
        """Say why before closing: daphne passes a close code on, but no reason."""
        error = {"error": refusal.error, "detail": str(refusal)}
        await self.send_text(encode(Message("error", None, error)).text)
        await self.close(refusal.code, str(refusal))

    async def close(self, code: int, reason: str) -> None:
        self.paused = True
        await self._send({"type": "websocket.close", "code": code, "reason": reason[:100]})
