"""The exchange's market stream: several connections, replaced before they break.

Every followed symbol has one connection that carries it, its *primary*. Where that one is to
go, another is opened, subscribed and acknowledged first, the *heir*; both deliver meanwhile,
and ids remove the doubles. The heir takes over once the old connection has proven to have
brought all that came before the heir's first event: then nothing was missed. Where it doesn't
come to that, there is a gap, and `newly_live` says so.
"""

import random
import select
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import structlog
from websocket import WebSocketException

from market.binance import Arrived
from market.connection import Connection
from market.sockets import BATCH_BYTES

logger = structlog.get_logger(__name__)

WAIT_S = 0.05  # how long quiet sockets keep the caller from its other work
PAUSE_S = 0.002  # between batches, so that they are worth their round trip to Redis
WATCH_EVERY_S = 0.1
MOST_ROUND_S = 1.0
MOST_STREAMS = 1_000  # a connection; the exchange allows 1,024
MOST_DIALS, DIALS_WITHIN_S = 100, 300.0  # the exchange allows 300, for all that share our address
BACKOFF_S = (0.25, 60.0)
MOST_TRIAL_PAUSE_S = 600.0


@dataclass(frozen=True)
class Timing:
    """How long things may take, in seconds. Source of the bounds: protocol, B.1 and K 9-14."""

    lifetime_s: float = 23 * 3600.0  # the exchange cuts after 24 h
    connect_s: float = 3.0
    answer_s: float = 10.0  # a control message has failed silently if it takes longer
    silence_s: float = 45.0  # the exchange pings every 20 s: without any frame it is dead
    quiet_s: float = 5.0  # kline events come every 2 s: suspicious where symbols are followed
    heartbeat_s: float = 10.0  # the same for one symbol


def backoff_s(failures: int) -> float:
    """How long to wait before dialling again after so many failures in a row, with jitter."""
    first, most = BACKOFF_S
    return random.uniform(0.5, 1) * min(most, first * 2.0 ** min(failures, 10))  # noqa: S311


@dataclass(slots=True)
class Route:
    """Where a symbol comes from."""

    primary: Connection
    heir: Connection | None = None
    trials: int = 0  # how often another connection was no better, in a row
    next_trial_s: float = 0.0


class ConnectionStatus(msgspec.Struct, frozen=True):
    """One connection, for people to look at. Times in seconds."""

    state: str  # waiting, dialling, open or retiring
    age_s: float
    quiet_s: float
    symbols: int
    live: int


class MarketStream:
    """Aggregate trades and kline events of the followed symbols.

    A symbol is *live* while a connection is open that has acknowledged all its streams.
    `newly_silent` and `newly_live` are for the caller to take and empty, in this order: the
    first have stopped being live, of the second something may have been missed up to now.
    """

    def __init__(
        self,
        url: str,
        intervals: Sequence[str],
        timing: Timing = Timing(),
        most_streams: int = MOST_STREAMS,
    ) -> None:
        self.url = url.rstrip("/") + "/stream"
        self.timing = timing
        self.live: set[str] = set()
        self.newly_live: list[str] = []
        self.newly_silent: list[str] = []
        self.last_frame_s = 0.0  # time.monotonic()
        self._kinds = ["aggTrade", *(f"kline_{interval}" for interval in intervals)]
        self._most_symbols = max(1, most_streams // len(self._kinds))
        self._followed: frozenset[str] = frozenset()
        self._routed: frozenset[str] | None = None  # `_followed` when the routes were made
        self._routes: dict[str, Route] = {}
        self._moving: set[str] = set()  # symbols that have an heir
        self._connections: list[Connection] = []
        self._poll = select.poll()
        self._by_file: dict[int, Connection] = {}
        self._dials: deque[float] = deque(maxlen=MOST_DIALS)
        # Our clock all but stands still while the caller is away: what waits for us to read it
        # is not late.
        self._now_s = 0.0
        self._next_watch_s = 0.0
        self._stopping = False

    @property
    def connected(self) -> bool:
        return bool(self._by_file)

    def follow(self, symbols: Iterable[str]) -> None:
        """Follow exactly `symbols`, on the open connections as far as they have room."""
        self._followed = frozenset(symbols)

    def stop(self) -> None:
        """Let `batches` end after the batch at hand."""
        self._stopping = True

    def proven_ms(self, symbol: str) -> int:
        """Up to when, by the exchange's clock, all of a symbol's ticks have come; 0 if unknown.

        The event time of its newest kline event on the connection that carries it: within a
        connection nothing overtakes. Ticks of a moment may be sent a little after the kline
        event that counts them, so allow for some grace. Ticks prove the same, but they close
        candles by themselves: proof is only needed where none come.
        """
        route = self._routes.get(symbol)
        reception = route.primary.live.get(symbol) if route else None
        return reception.proven_ms if reception else 0

    def status(self) -> list[ConnectionStatus]:
        return [
            ConnectionStatus(
                _state(connection),
                self._now_s - connection.opened_s if connection.socket else 0.0,
                self._now_s - connection.frame_s if connection.socket else 0.0,
                len(connection.wanted),
                len(connection.live),
            )
            for connection in self._connections
        ]

    def batches(self) -> Generator[Arrived, None, None]:
        """What the sockets hold, an empty batch where they hold nothing for WAIT_S.

        Ends after `stop`; any trouble with a connection is logged and dialled away.
        """
        began_s = time.monotonic()
        try:
            while not self._stopping:
                self._route()
                self._open_and_ask()
                arrived = self._read()
                self._watch()
                yield arrived
                if arrived.ticks and not self._more_waiting():
                    time.sleep(max(0.0, PAUSE_S - (time.monotonic() - began_s)))
                self._now_s += min(time.monotonic() - began_s, MOST_ROUND_S)
                began_s = time.monotonic()
        finally:  # also where the caller has enough
            self._hang_up()

    # --- Reading -----------------------------------------------------------------------------

    def _more_waiting(self) -> list[Connection]:
        """Whose bytes are with us already, where the kernel does not show them."""
        return [c for c in self._by_file.values() if c.socket and c.socket.more_waiting]

    def _read(self) -> Arrived:
        """One batch from each connection that has something, oldest connection first."""
        ready = set(map(id, waiting := self._more_waiting()))
        for file, _ in self._poll.poll(0 if waiting else WAIT_S * 1000):
            ready.add(id(self._by_file[file]))
        readable = [connection for connection in self._connections if id(connection) in ready]
        arrived = Arrived()
        for connection in readable:
            self._read_one(connection, BATCH_BYTES // len(readable), arrived)
        return arrived

    def _read_one(self, connection: Connection, most_bytes: int, arrived: Arrived) -> None:
        try:
            came, acknowledged = connection.read(self._now_s, most_bytes)
        except (OSError, WebSocketException) as error:
            self._lose(connection, str(error))
            return
        self.last_frame_s = max(self.last_frame_s, connection.last_frame_s)
        if arrived.ticks:
            arrived.ticks += came.ticks
        else:
            arrived.ticks = came.ticks
        arrived.klines += came.klines
        for symbol in acknowledged:
            if self._routes[symbol].primary is connection:
                self.live.add(symbol)
                self.newly_live.append(symbol)
        if came.shutdown:
            self._retire(connection, "the server goes away")

    # --- Connections that come and go --------------------------------------------------------

    def _open_and_ask(self) -> None:
        for connection in list(self._connections):
            try:
                if connection.socket is not None:
                    connection.ask(self._now_s)
                elif connection.dialling:
                    self._await(connection)
                elif self._now_s >= connection.dial_at_s and self._may_dial():
                    self._dials.append(self._now_s)
                    connection.dial(self._now_s)
            except (OSError, WebSocketException) as error:
                self._lose(connection, str(error))

    def _may_dial(self) -> bool:
        return len(self._dials) < MOST_DIALS or self._now_s - self._dials[0] > DIALS_WITHIN_S

    def _await(self, connection: Connection) -> None:
        if connection.opened(self._now_s) and connection.socket is not None:
            file = connection.socket.fileno()
            self._by_file[file] = connection
            self._poll.register(file, select.POLLIN)
            logger.info("stream.connected", url=self.url, symbols=len(connection.wanted))
            connection.ask(self._now_s)

    def _another(self, forerunner: Connection | None = None) -> Connection:
        """A connection that will be dialled; after a forerunner only when it is time again."""
        failures, dial_at_s = 0, self._now_s
        if forerunner is not None:
            failures = forerunner.failures + 1
            dial_at_s += backoff_s(forerunner.failures)
        # Different for each, so that they are not all replaced at once.
        lifetime_s = self.timing.lifetime_s * random.uniform(0.9, 1)  # noqa: S311
        connection = Connection(
            self.url,
            self._kinds,
            connect_s=self.timing.connect_s,
            lifetime_s=lifetime_s,
            dial_at_s=dial_at_s,
            failures=failures,
        )
        self._connections.append(connection)
        return connection

    def _close(self, connection: Connection) -> None:
        if connection.socket is not None:
            file = connection.socket.fileno()
            self._poll.unregister(file)
            del self._by_file[file]
        connection.close()
        self._connections.remove(connection)

    def _hang_up(self) -> None:
        for connection in list(self._connections):
            self._close(connection)
        self._routes.clear()
        self._moving.clear()
        self._routed = None
        self.live.clear()
        self.newly_live.clear()
        self.newly_silent.clear()

    def _lose(self, connection: Connection, why: str) -> None:
        """Drop a connection at once; what only it carried waits for its successor."""
        logger.warning("stream.lost", url=self.url, error=why, symbols=len(connection.wanted))
        self._close(connection)
        orphans = []
        for symbol in list(connection.wanted):
            route = self._routes[symbol]
            if route.primary is connection and route.heir is not None:
                self._take_over(symbol, whole=False)
            elif route.primary is connection or route.primary.retiring:
                orphans.append(symbol)
            else:
                self._end_trial(symbol)
        if orphans or not self._connections:
            self._move(orphans, connection, self._another(connection))

    def _retire(self, connection: Connection, why: str) -> None:
        """Replace a connection; it carries its symbols until its successor does."""
        if connection.retiring:
            return
        if all(self._routes[symbol].heir is connection for symbol in connection.wanted):
            self._lose(connection, why)  # nobody relies on it
            return
        logger.info("stream.replaced", url=self.url, reason=why, symbols=len(connection.wanted))
        connection.retiring = True
        orphans = []
        for symbol in list(connection.wanted):
            route = self._routes[symbol]
            if route.heir is None or (route.heir is connection and route.primary.retiring):
                orphans.append(symbol)
            elif route.heir is connection:
                self._end_trial(symbol)
        self._move(orphans, connection, self._another(connection))

    def _move(self, symbols: Iterable[str], old: Connection, successor: Connection) -> None:
        """Give symbols to a successor: as their heir, or at once where `old` is closed."""
        for symbol in symbols:
            route = self._routes[symbol]
            successor.add(symbol)
            if route.primary is old and old.socket is None:
                route.primary = successor
                self._tell(symbol)
            else:
                if route.heir is old:
                    old.drop(symbol)
                route.heir = successor
                self._moving.add(symbol)

    # --- Symbols on their way ----------------------------------------------------------------

    def _route(self) -> None:
        """Find a connection for each followed symbol."""
        if self._followed is self._routed:
            return
        self._routed = self._followed
        for symbol in self._routes.keys() - self._routed:
            self._drop(symbol)
        for symbol in sorted(self._routed - self._routes.keys()):
            connection = self._with_room()
            connection.add(symbol)
            self._routes[symbol] = Route(connection)
        if not self._connections:
            self._another()

    def _drop(self, symbol: str) -> None:
        route = self._routes.pop(symbol)
        for connection in (route.primary, route.heir):
            if connection is not None:
                connection.drop(symbol)
        self._moving.discard(symbol)
        self.live.discard(symbol)
        self.newly_live = [name for name in self.newly_live if name != symbol]

    def _with_room(self, but: Connection | None = None) -> Connection:
        for connection in self._connections:
            has_room = len(connection.wanted) < self._most_symbols
            if has_room and not connection.retiring and connection is not but:
                return connection
        return self._another()

    def _hand_over(self, symbol: str) -> None:
        """Let the heir take over where nothing is missed by that, or no more is to be hoped."""
        route, now_s = self._routes[symbol], self._now_s
        assert route.heir is not None  # noqa: S101  # it is moving
        old, new = route.primary.live.get(symbol), route.heir.live.get(symbol)
        if new is None:
            return
        if old is None:
            self._take_over(symbol, whole=False)
        elif new.first_ms and old.proven_ms >= new.first_ms:
            self._take_over(symbol, whole=True)
        elif new.first_ms and now_s - old.heard_s > self.timing.quiet_s:
            self._take_over(symbol, whole=False)
        elif now_s - new.live_s > self.timing.heartbeat_s:
            if route.primary.retiring:
                self._take_over(symbol, whole=False)
            else:
                self._end_trial(symbol)

    def _take_over(self, symbol: str, whole: bool) -> None:
        route = self._routes[symbol]
        assert route.heir is not None  # noqa: S101  # it is moving
        route.primary.drop(symbol)
        route.primary, route.heir = route.heir, None
        self._moving.discard(symbol)
        if not whole:
            self._tell(symbol)

    def _tell(self, symbol: str) -> None:
        """Say how it stands with a symbol of which something may have been missed."""
        if symbol in self._routes[symbol].primary.live:
            self.live.add(symbol)
            self.newly_live.append(symbol)
        elif symbol in self.live:
            self.live.discard(symbol)
            self.newly_silent.append(symbol)
            self.newly_live = [name for name in self.newly_live if name != symbol]

    def _try_elsewhere(self, connection: Connection) -> None:
        """Try those symbols on another connection whose kline events have stopped on this one.

        A market at a break sends none anywhere: then it stays, and is tried ever more seldom.
        """
        for symbol, reception in list(connection.live.items()):
            route = self._routes[symbol]
            if route.primary is not connection or route.heir is not None:
                continue
            if self._now_s - reception.heard_s <= self.timing.heartbeat_s:
                route.trials = 0
            elif self._now_s >= route.next_trial_s:
                logger.info("stream.deaf", symbol=symbol)
                route.heir = self._with_room(but=connection)
                route.heir.add(symbol)
                self._moving.add(symbol)

    def _end_trial(self, symbol: str) -> None:
        """The other connection was no better, or is gone."""
        route = self._routes[symbol]
        assert route.heir is not None  # noqa: S101  # it is being tried
        route.heir.drop(symbol)
        route.heir = None
        self._moving.discard(symbol)
        route.trials += 1
        pause_s = min(MOST_TRIAL_PAUSE_S, self.timing.heartbeat_s * 2.0 ** min(route.trials, 10))
        route.next_trial_s = self._now_s + pause_s

    # --- What goes wrong without a word ------------------------------------------------------

    def _watch(self) -> None:
        if self._now_s < self._next_watch_s:
            return
        self._next_watch_s = self._now_s + WATCH_EVERY_S
        for connection in list(self._by_file.values()):
            if connection.socket is not None and not connection.socket.more_waiting:
                self._check(connection)
        for symbol in list(self._moving):
            self._hand_over(symbol)
        for connection in list(self._connections):
            if not connection.wanted and len(self._connections) > 1:
                self._close(connection)

    def _check(self, connection: Connection) -> None:
        timing, quiet_s = self.timing, self._now_s - connection.frame_s
        # Replacing it did not help before: be more patient with each time.
        patience_s = timing.quiet_s * 2.0 ** min(connection.failures, 10)
        if quiet_s > timing.silence_s:
            self._lose(connection, f"no frame for {timing.silence_s} s")
        elif connection.live and quiet_s > patience_s:
            self._retire(connection, f"no frame for {patience_s} s")
        elif connection.unanswered_s(self._now_s) > timing.answer_s:
            self._retire(connection, f"no answer for {timing.answer_s} s")
        elif self._now_s - connection.opened_s > connection.lifetime_s:
            self._retire(connection, "its time is over")
        elif not connection.retiring:
            self._try_elsewhere(connection)


def _state(connection: Connection) -> str:
    if connection.retiring:
        return "retiring"
    if connection.socket is not None:
        return "open"
    return "dialling" if connection.dialling else "waiting"
