"""Symbols of which the stream carries nothing, though it should: REST takes its place."""

import time
from collections.abc import Iterable
from typing import Protocol

import structlog

from candles.live.evidence import POLL_EVERY_MS

logger = structlog.get_logger(__name__)

DEAF_AFTER_S = 10.0  # kline events come every two seconds, of a quiet market too
LISTEN_EVERY_S = 1.0
# An answer takes a weight of 6: all symbols together a quarter of a minute's limit at most.
MAX_POLLS_PER_S = 4


class Listener(Protocol):
    """A symbol's feed, as far as it is listened for."""

    symbol: str
    heard: bool  # something has come since the last look
    deaf: bool


class DeafSymbols:
    """Search for the symbols of which the stream carries nothing, and those it carries again."""

    def __init__(self) -> None:
        self.pause_ms = POLL_EVERY_MS  # between two requests about one symbol, at least
        self._heard_s: dict[str, float] = {}
        self._next_s = 0.0

    def listen(self, feeds: Iterable[Listener]) -> None:
        """Look now and then at what was heard of; marks the feeds that are `deaf`."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + LISTEN_EVERY_S
        before, self._heard_s = self._heard_s, {}
        deaf = 0
        for feed in feeds:
            heard_s = now_s if feed.heard else before.get(feed.symbol, now_s)
            self._heard_s[feed.symbol] = heard_s
            deaf += self._mark(feed, now_s - heard_s > DEAF_AFTER_S)
        self.pause_ms = max(POLL_EVERY_MS, 1_000 * deaf // MAX_POLLS_PER_S)

    def _mark(self, feed: Listener, deaf: bool) -> bool:
        feed.heard = False
        if deaf != feed.deaf:
            feed.deaf = deaf
            event = "stream.symbol_polled" if deaf else "stream.symbol_heard"
            logger.warning(event, symbol=feed.symbol)
        return deaf
