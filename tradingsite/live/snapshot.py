"""How everything stands: what a page is told first, and the state of stream and halt."""

import time
from typing import Any, Literal, cast

from channels.db import database_sync_to_async
from django.conf import settings
from django.db.models import OuterRef, Subquery
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
from tradingsite.live.client import Refusal, Wanted
from tradingsite.live.messages import Message, Told, written
from tradingsite.stream_status import Gist, Streams
from tradingsite.tasks import BEAT_KEY

LASTS = 0.5  # seconds; a thousand pages that reconnect at once share a few
PARTS = {"forming": "forming", "candle": "candles", "position": "positions"}
WORKER_SILENT_MS = 30_000


def worker_word() -> Literal["up", "down"]:
    """Whether a worker has answered beat lately; without Redis none can."""
    try:
        beat = cast(bytes | None, connection().get(BEAT_KEY))
    except RedisError:
        beat = None
    alive = beat is not None and now_ms() - int(beat) < WORKER_SILENT_MS
    return "up" if alive else "down"


def status_json() -> dict[str, Any]:
    """Stream, worker and halt in a word each; `refilling` tells ticks to fetch by symbol."""
    streams, halt = Streams.read(), Halt.objects.first()
    return {
        "stream": streams.word,
        "last_frame": iso_ms(streams.last_frame_ms) if streams.last_frame_ms else None,
        "lag_ms": streams.lag_ms,
        "refilling": streams.refilling,
        "standbys": streams.standbys,
        "worker": worker_word(),
        "halt": halt.level if halt else HaltLevel.OFF.value,
        "alarms": [f"{one.symbol.name}: {one.text}" for one in raised_alarms()],
    }


def snapshot_json() -> dict[str, Any]:
    """Followed symbols, their open and newest closed candles, open positions, the status."""
    names = list(Symbol.objects.followed().values_list("name", flat=True))
    states = _states(names)
    prices = {name: state.last_price for name, state in states.items()}
    positions = Position.objects.filter(status=Position.Status.OPEN).select_related("symbol")
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
    """How everything stood when it was built, and what was told since that began.

    Both together bring a socket up to date, however old the snapshot is.
    """

    def __init__(self) -> None:
        self.since: list[Told] = []
        self._built_at: float | None = None
        self._data: dict[str, Any] = {}
        self._texts: dict[Wanted, str] = {}

    @property
    def lasts(self) -> bool:
        return self._built_at is None or time.monotonic() - self._built_at < LASTS

    @property
    def stream(self) -> Gist:
        """How the streams were by then."""
        status = self._data["status"]
        return Gist(status["stream"], status["refilling"], status["standbys"])

    async def build(self) -> None:
        # Not thread-sensitive: else it would queue behind every synchronous view.
        self._data = await database_sync_to_async(snapshot_json, thread_sensitive=False)()
        self._built_at = time.monotonic()

    def text(self, wanted: Wanted) -> str:
        """The message for `wanted`. Raises Refusal (code 4404) where it names a strange symbol."""
        if wanted not in self._texts:
            self._texts[wanted] = written(Message("snapshot", None, self._part(wanted))).text
        return self._texts[wanted]

    def _part(self, wanted: Wanted) -> dict[str, Any]:
        followed: list[str] = self._data["symbols"]
        for strange in sorted((wanted.symbols or frozenset()) - set(followed)):
            detail = f"symbols: {strange!r} is not followed; use {', '.join(followed)}"
            raise Refusal(4404, "unknown_symbol", detail)
        part: dict[str, Any] = {"symbols": [name for name in followed if wanted.wants_symbol(name)]}
        for kind, name in PARTS.items():
            if wanted.wants_type(kind):
                things = self._data[name]
                part[name] = [one for one in things if wanted.wants_symbol(one["symbol"])]
        if wanted.wants_type("status"):
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
        series = Candle.objects.filter(symbol=OuterRef("pk"), interval=interval)
        newest = Subquery(series.order_by("-open_time").values("pk")[:1])
        found = Symbol.objects.followed().annotate(newest=newest).values_list("newest", flat=True)
        keys += [key for key in found if key is not None]
    return list(Candle.objects.filter(pk__in=keys).select_related("symbol"))
