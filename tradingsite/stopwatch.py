"""Stops watched on every tick, in the stream process."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import redis
import structlog
from django.db import close_old_connections
from django.utils.timezone import now

from market.ticks import Tick
from orders.services import open_stops
from orders.stops import Hit, Stop, hit
from strategies.services import stop_out
from tradingsite.recorder import DATABASE_GONE

logger = structlog.get_logger(__name__)

VERSION_KEY = "orders:positions"  # rises whenever a position changes
REREAD_S = 5.0  # stops are read again at least this often: the word of a change may be lost


def positions_changed(client: redis.Redis) -> None:
    """Tell every stream process to read the open stops again."""
    client.incr(VERSION_KEY)


class StopWatch:
    """Knows the open stops and sells what a tick has hit.

    A sale that could not be written down (the database is gone) is tried again with the next
    pass: a hit is a fact, whatever the price does afterwards.
    """

    def __init__(self) -> None:
        self._version: bytes | None = b"none read"
        self._next_read_s = 0.0
        self._stops: list[Stop] = []
        self._hits: list[Hit] = []

    @property
    def unsold(self) -> bool:
        """A stop was hit, and the database doesn't know yet."""
        return bool(self._hits)

    def check(self, ticks: Iterable[Sequence[Tick]]) -> None:
        """Hold runs of ticks, oldest first in each, against the stops; sell what they hit."""
        if self._stops:
            self._take(hit(self._stops, chain.from_iterable(ticks)))
        if self._hits:
            self._sell()

    def heed(self, version: bytes | None, recent: Callable[[str], Iterable[Tick]]) -> None:
        """Read the stops again where `version` says that positions have changed, or it is time.

        A stop that is new to us is held against the `recent` ticks of its symbol too: its
        position may have been opened before they came.
        """
        if version == self._version and time.monotonic() < self._next_read_s:
            return
        try:
            stops = open_stops()
        except DATABASE_GONE as error:
            logger.warning("database.unreachable", error=str(error))
            close_old_connections()
            return
        known = {stop.position_id for stop in self._stops} | {
            h.stop.position_id for h in self._hits
        }
        new = [stop for stop in stops if stop.position_id not in known]
        waiting = {h.stop.position_id for h in self._hits}
        self._stops = [stop for stop in stops if stop.position_id not in waiting]
        self._version, self._next_read_s = version, time.monotonic() + REREAD_S
        for stop in new:
            self._take(hit([stop], recent(stop.symbol)))
        if self._hits:
            self._sell()

    def _take(self, hits: list[Hit]) -> None:
        for one in hits:
            logger.info("stop.hit", symbol=one.stop.symbol, price=one.price, tick=one.tick_id)
            self._stops.remove(one.stop)
        self._hits += hits

    def _sell(self) -> None:
        try:
            stop_out(self._hits, now())
            self._hits = []
        except DATABASE_GONE as error:
            logger.warning("database.unreachable", error=str(error))
            close_old_connections()
