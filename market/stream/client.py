"""Client of the market stream: several connections, each replaced before it breaks."""

import select
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence

import msgspec
import structlog
from websocket import WebSocketException

from foundation.backoff import Backoff
from market.clock import ExchangeClock
from market.stream.connection import DEFAULT_TIMING, Connection, ConnectionState, Timing
from market.stream.handover import Handover
from market.stream.websocket import BATCH_BYTES
from market.wire.bounds import MAX_TIME_MS
from market.wire.frames import StreamBatch

logger = structlog.get_logger(__name__)

WAIT_S = 0.05  # how long quiet sockets keep the caller from its other work
PAUSE_S = 0.002  # between batches, so that they are worth their round trip to Redis
CHECK_EVERY_S = 0.1
MAX_ROUND_S = 1.0
MAX_STREAMS = 1_000  # a connection; the exchange allows 1,024
MAX_DIALS, DIALS_WINDOW_S = 100, 300.0  # the exchange allows 300, for all that share our address
BACKOFF = Backoff(first_s=0.25, max_s=60.0, jitter=True)  # before dialling again


class ConnectionStatus(msgspec.Struct, frozen=True):
    """One connection, for people to look at. Times in seconds."""

    state: str  # waiting, dialling, open or retiring
    age_s: float
    quiet_s: float
    symbols: int
    live: int


class MarketStream:
    """Aggregate trades and kline events of the followed symbols.

    A symbol is *live* while a connection is open that has acknowledged all its streams. Each
    batch says which symbols ceased to be live, and then, which became live: of these something
    may have been missed up to now.
    """

    def __init__(
        self,
        url: str,
        intervals: Sequence[str],
        timing: Timing = DEFAULT_TIMING,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self.url = url.rstrip("/") + "/stream"
        self.timing = timing
        self.last_frame_s = 0.0  # time.monotonic()
        self.clock: ExchangeClock | None = None  # bounds the times of events, where one is given
        self._kinds = ["aggTrade", *(f"kline_{interval}" for interval in intervals)]
        self._max_symbols = max(1, max_streams // len(self._kinds))
        self._followed: frozenset[str] = frozenset()
        self._routed: frozenset[str] | None = None  # `_followed` when it was routed last
        self._handover = Handover(timing)
        self._connections: list[Connection] = []
        self._poll = select.poll()
        self._by_file: dict[int, Connection] = {}
        self._dials: deque[float] = deque(maxlen=MAX_DIALS)
        # Our clock all but stands still while the caller is away: what waits for us to read it
        # is not late.
        self._now_s = 0.0
        self._next_check_s = 0.0
        self._stopping = False

    @property
    def live(self) -> set[str]:
        return self._handover.live

    @property
    def connected(self) -> bool:
        return bool(self._by_file)

    def follow(self, symbols: Iterable[str]) -> None:
        """Follow exactly `symbols`, on the open connections as far as they have room."""
        self._followed = frozenset(symbols)

    def stop(self) -> None:
        """Let `batches` end after the batch at hand."""
        self._stopping = True

    def last_event_ms(self, symbol: str) -> int:
        """Time of a symbol's newest kline event, by the exchange's clock; 0 before the first.

        On the connection that carries the symbol. It proves that time has passed there, and nothing
        of what came before it.
        """
        return self._handover.last_event_ms(symbol)

    def status(self) -> list[ConnectionStatus]:
        return [
            ConnectionStatus(
                connection.state,
                self._now_s - connection.opened_s if connection.is_open else 0.0,
                self._now_s - connection.frame_s if connection.is_open else 0.0,
                len(connection.wanted),
                len(connection.live),
            )
            for connection in self._connections
        ]

    def batches(self) -> Generator[StreamBatch, None, None]:
        """Batches of what the sockets hold, an empty one where they hold nothing for WAIT_S.

        Ends after `stop`; any trouble with a connection is logged and dialled away.
        """
        began_s = time.monotonic()
        try:
            while not self._stopping:
                self._route_symbols()
                self._dial_and_subscribe()
                batch = self._read()
                self._check_connections()
                batch.newly_live, batch.newly_silent = self._handover.pop_changes()
                yield batch
                if batch.ticks and not self._more_waiting():
                    time.sleep(max(0.0, PAUSE_S - (time.monotonic() - began_s)))
                self._now_s += min(time.monotonic() - began_s, MAX_ROUND_S)
                began_s = time.monotonic()
        finally:  # also where the caller has enough
            self._close_all()

    # --- Reading -----------------------------------------------------------------------------

    def _more_waiting(self) -> list[Connection]:
        """Connections whose bytes are with us already, where the kernel does not show them."""
        return [c for c in self._by_file.values() if c.socket and c.socket.more_waiting]

    def _read(self) -> StreamBatch:
        """One batch from each connection that has something, oldest connection first."""
        ready = set(map(id, waiting := self._more_waiting()))
        for file, _ in self._poll.poll(0 if waiting else WAIT_S * 1000):
            ready.add(id(self._by_file[file]))
        readable = [connection for connection in self._connections if id(connection) in ready]
        batch = StreamBatch()
        for connection in readable:
            self._read_one(connection, BATCH_BYTES // len(readable), batch)
        return batch

    def _read_one(self, connection: Connection, max_bytes: int, batch: StreamBatch) -> None:
        try:
            latest_ms = MAX_TIME_MS if self.clock is None else self.clock.latest_ms()
            came, acknowledged = connection.read(self._now_s, max_bytes, latest_ms)
        except (OSError, WebSocketException) as error:
            self._lose(connection, str(error))
            return
        self.last_frame_s = max(self.last_frame_s, connection.last_frame_s)
        if batch.ticks:
            batch.ticks += came.ticks
        else:
            batch.ticks = came.ticks
        batch.klines += came.klines
        self._handover.acknowledge(connection, acknowledged)
        if came.shutdown:
            self._retire(connection, "the server goes away")

    # --- Connections that come and go --------------------------------------------------------

    def _dial_and_subscribe(self) -> None:
        for connection in list(self._connections):
            try:
                if connection.is_open:
                    connection.subscribe(self._now_s)
                elif connection.state is ConnectionState.DIALLING:
                    self._finish_dial(connection)
                elif self._now_s >= connection.dial_at_s and self._may_dial():
                    self._dials.append(self._now_s)
                    connection.dial(self._now_s)
            except (OSError, WebSocketException) as error:
                self._lose(connection, str(error))

    def _may_dial(self) -> bool:
        return len(self._dials) < MAX_DIALS or self._now_s - self._dials[0] > DIALS_WINDOW_S

    def _finish_dial(self, connection: Connection) -> None:
        if connection.finish_dial(self._now_s) and connection.socket is not None:
            file = connection.socket.fileno()
            self._by_file[file] = connection
            self._poll.register(file, select.POLLIN)
            logger.info("stream.connected", url=self.url, symbols=len(connection.wanted))
            connection.subscribe(self._now_s)

    def _add_connection(self, forerunner: Connection | None = None) -> Connection:
        """Add a connection, to be dialled; after a forerunner only when it is time again."""
        failures, dial_at_s = 0, self._now_s
        if forerunner is not None:
            failures = forerunner.failures + 1
            dial_at_s += BACKOFF.pause_s(forerunner.failures)
        connection = Connection(self.url, self._kinds, self.timing, dial_at_s, failures)
        self._connections.append(connection)
        return connection

    def _close(self, connection: Connection) -> None:
        if connection.socket is not None:
            file = connection.socket.fileno()
            self._poll.unregister(file)
            del self._by_file[file]
        connection.close()
        self._connections.remove(connection)

    def _close_all(self) -> None:
        for connection in list(self._connections):
            self._close(connection)
        self._handover.clear()
        self._routed = None

    def _lose(self, connection: Connection, why: str) -> None:
        """Drop a connection at once; what only it carried waits for its replacement."""
        logger.warning("stream.lost", url=self.url, error=why, symbols=len(connection.wanted))
        self._close(connection)
        unserved = self._handover.on_lost(connection, self._now_s)
        if unserved or not self._connections:
            self._handover.replace(connection, self._add_connection(connection), unserved)

    def _retire(self, connection: Connection, why: str) -> None:
        """Replace a connection; it carries its symbols until another does."""
        if connection.retiring:
            return
        if not self._handover.relies_on(connection):
            self._lose(connection, why)
            return
        logger.info("stream.replaced", url=self.url, reason=why, symbols=len(connection.wanted))
        connection.retire()
        unserved = self._handover.on_retiring(connection, self._now_s)
        self._handover.replace(connection, self._add_connection(connection), unserved)

    def _route_symbols(self) -> None:
        """Find a connection for each followed symbol."""
        if self._followed is self._routed:
            return
        self._routed = self._followed
        self._handover.follow(self._routed, self._connection_with_room)
        if not self._connections:
            self._add_connection()

    def _connection_with_room(self, but: Connection | None = None) -> Connection:
        for connection in self._connections:
            has_room = len(connection.wanted) < self._max_symbols
            if has_room and not connection.retiring and connection is not but:
                return connection
        return self._add_connection()

    # --- Connections that go wrong without a word ------------------------------------------------

    def _check_connections(self) -> None:
        if self._now_s < self._next_check_s:
            return
        self._next_check_s = self._now_s + CHECK_EVERY_S
        for connection in list(self._by_file.values()):
            if connection.socket is not None and not connection.socket.more_waiting:
                self._check(connection)
        self._handover.hand_over(self._now_s)
        for connection in list(self._connections):
            if not connection.wanted and len(self._connections) > 1:
                self._close(connection)

    def _check(self, connection: Connection) -> None:
        if self._now_s - connection.frame_s > self.timing.silence_s:
            self._lose(connection, f"no frame for {self.timing.silence_s:g} s")
        elif complaint := connection.complaint(self._now_s):
            self._retire(connection, complaint)
        elif not connection.retiring:
            for symbol in self._handover.silent_symbols(connection, self._now_s):
                logger.info("stream.symbol_silent", symbol=symbol)
                self._handover.set_successor(symbol, self._connection_with_room(but=connection))
