"""Snapshot of the whole system, sent first to a page, and the status of stream and halt."""

import time
from typing import Any, Literal, cast

from channels.db import database_sync_to_async
from django.conf import settings
from redis.exceptions import RedisError

from candles.live.state import SymbolState, read_states
from candles.models import Candle
from candles.representation import candle_json, forming_json
from foundation.redis import connection
from foundation.rest.fields import iso_ms
from foundation.times import now_ms
from market.models import Symbol
from orders.models import Halt, HaltLevel, Position
from orders.representation import position_json
from orders.services import raised_alarms
from tradingsite.live.client import Filter, Refusal
from tradingsite.live.messages import EncodedMessage, Message, encode
from tradingsite.live.stream_status import Streams, StreamSummary
from tradingsite.tasks import BEAT_KEY, MAX_BEAT_AGE_MS

FRESH_FOR_S = 0.5  # a thousand pages that reconnect at once share a few
SECTIONS = {"forming": "forming", "candle": "candles", "position": "positions"}


def worker_availability() -> Literal["up", "down"]:
    """`up` where a worker has answered beat lately; without Redis none can."""
    try:
        beat = cast(bytes | None, connection().get(BEAT_KEY))
    except RedisError:
        beat = None
    alive = beat is not None and now_ms() - int(beat) < MAX_BEAT_AGE_MS
    return "up" if alive else "down"


def status_json() -> dict[str, Any]:
    """Stream, worker and halt in a word each; `refilling` counts ticks to fetch by symbol.

    `polled` are symbols that REST is asked about in place of the stream.
    """
    streams, halt = Streams.read(), Halt.objects.first()
    return {
        "stream": streams.availability,
        "last_frame": iso_ms(streams.last_frame_ms) if streams.last_frame_ms else None,
        "lag_ms": streams.lag_ms,
        "refilling": streams.refilling,
        "polled": streams.polled,
        "standbys": streams.standbys,
        "worker": worker_availability(),
        "halt": halt.level if halt else HaltLevel.OFF.value,
        "alarms": [f"{one.symbol.name}: {one.text}" for one in raised_alarms()],
    }


def snapshot_json() -> dict[str, Any]:
    """Followed symbols, their open and newest closed candles, open positions, the status."""
    names = list(Symbol.objects.followed().values_list("name", flat=True))
    states = _states(names)
    prices = {name: state.last_price for name, state in states.items()}
    positions = Position.objects.open().select_related("symbol")
    return {
        "symbols": names,
        "forming": [
            forming_json(name, state, interval)
            for name, state in states.items()
            for interval in state.intervals
        ],
        "candles": [candle_json(candle) for candle in _newest_candles()],
        "positions": [position_json(one, prices.get(one.symbol.name)) for one in positions],
        "status": status_json(),
    }


class Snapshot:
    """The state of everything when it was built, and the messages since that began.

    Both together bring a socket up to date, however old the snapshot is.
    """

    def __init__(self) -> None:
        self.since: list[EncodedMessage] = []
        self._built_at: float | None = None
        self._data: dict[str, Any] = {}
        self._texts: dict[Filter, str] = {}

    @property
    def is_fresh(self) -> bool:
        return self._built_at is None or time.monotonic() - self._built_at < FRESH_FOR_S

    @property
    def stream(self) -> StreamSummary:
        """The streams' summary by then."""
        status = self._data["status"]
        names = "stream", "refilling", "polled", "standbys"
        return StreamSummary(*(status[name] for name in names))

    async def build(self) -> None:
        """Read it; one that failed is fresh for as long, so that the next is tried after it."""
        # Not thread-sensitive: else it would queue behind every synchronous view.
        read = database_sync_to_async(snapshot_json, thread_sensitive=False)
        try:
            self._data = await read()
        finally:
            self._built_at = time.monotonic()

    def text(self, filter: Filter) -> str:
        """The message for `filter`. Raises Refusal (code 4404) where it names a strange symbol."""
        if filter not in self._texts:
            self._texts[filter] = encode(Message("snapshot", None, self._filtered(filter))).text
        return self._texts[filter]

    def _filtered(self, filter: Filter) -> dict[str, Any]:
        followed: list[str] = self._data["symbols"]
        for strange in sorted((filter.symbols or frozenset()) - set(followed)):
            detail = f"symbols: {strange!r} is not followed; use {', '.join(followed)}"
            raise Refusal(4404, "unknown_symbol", detail)
        part: dict[str, Any] = {
            "symbols": [name for name in followed if filter.passes_symbol(name)]
        }
        for kind, name in SECTIONS.items():
            if filter.passes_type(kind):
                things = self._data[name]
                part[name] = [one for one in things if filter.passes_symbol(one["symbol"])]
        if filter.passes_type("status"):
            part["status"] = self._data["status"]
        return part


def _states(names: list[str]) -> dict[str, SymbolState]:
    try:
        return read_states(connection(), names)
    except RedisError:  # the status says so
        return {}


def _newest_candles() -> list[Candle]:
    """The newest closed candle of every followed symbol and interval: one query an interval."""
    keys: list[int] = []
    for interval in settings.INTERVALS:
        keys += Candle.objects.newest_keys(interval)
    return list(Candle.objects.filter(pk__in=keys).select_related("symbol"))
