"""Handover of symbols between connections: which one carries a symbol, and who succeeds it.

Every followed symbol has one connection that carries it, its *primary*. Where that one is to
go, or is silent on the symbol, another is subscribed first, the *successor*; both deliver
meanwhile. The successor takes over once the old connection has brought all that came before the
successor's first event: then nothing was missed. Where it doesn't come to that there is a gap.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from foundation.backoff import Backoff
from market.stream.connection import Connection, Timing

MAX_PROBE_PAUSE_S = 600.0


@dataclass(slots=True)
class Route:
    """The connections that carry one symbol."""

    primary: Connection
    successor: Connection | None = None
    failed_probes: int = 0  # how often another connection was no better, in a row
    next_probe_s: float = 0.0


class Handover:
    """Routes of all followed symbols. `live` is as in MarketStream."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.live: set[str] = set()
        self._newly_live: list[str] = []
        self._newly_silent: list[str] = []
        self._routes: dict[str, Route] = {}
        self._moving: set[str] = set()  # symbols that have a successor

    def follow(self, symbols: Set[str], with_room: Callable[[], Connection]) -> None:
        """Follow exactly `symbols`; each new one goes to the connection that has room."""
        for symbol in self._routes.keys() - symbols:
            self._drop(symbol)
        for symbol in sorted(symbols - self._routes.keys()):
            connection = with_room()
            connection.add(symbol)
            self._routes[symbol] = Route(connection)

    def _drop(self, symbol: str) -> None:
        route = self._routes.pop(symbol)
        route.primary.drop(symbol)
        if route.successor is not None:
            route.successor.drop(symbol)
        self._moving.discard(symbol)
        self.live.discard(symbol)
        self._forget_newly_live(symbol)

    def clear(self) -> None:
        self._routes.clear()
        self._moving.clear()
        self.live.clear()
        self.pop_changes()

    def last_event_ms(self, symbol: str) -> int:
        """As in MarketStream. A successor counts once it has taken over."""
        route = self._routes.get(symbol)
        reception = route.primary.live.get(symbol) if route else None
        return reception.event_ms if reception else 0

    # --- What is live ------------------------------------------------------------------------

    def acknowledge(self, connection: Connection, symbols: Iterable[str]) -> None:
        """Note that a connection has just begun to carry `symbols`."""
        for symbol in symbols:
            if self._routes[symbol].primary is connection:
                self._note_gap(symbol)

    def pop_changes(self) -> tuple[list[str], list[str]]:
        """The symbols that became live, and those that ceased to be, since the last call."""
        changes = self._newly_live, self._newly_silent
        self._newly_live, self._newly_silent = [], []
        return changes

    def _note_gap(self, symbol: str) -> None:
        """Note whether a symbol of which something may have been missed is live now."""
        if symbol in self._routes[symbol].primary.live:
            self.live.add(symbol)
            self._newly_live.append(symbol)
        elif symbol in self.live:
            self.live.discard(symbol)
            self._newly_silent.append(symbol)
            self._forget_newly_live(symbol)

    def _forget_newly_live(self, symbol: str) -> None:
        self._newly_live = [name for name in self._newly_live if name != symbol]

    # --- Connections that go -----------------------------------------------------------------

    def relies_on(self, connection: Connection) -> bool:
        return any(self._routes[symbol].primary is connection for symbol in connection.wanted)

    def on_lost(self, connection: Connection, now_s: float) -> list[str]:
        """A connection has ended. Returns the symbols that need a replacement for it."""
        unserved = []
        for symbol in list(connection.wanted):
            route = self._routes[symbol]
            if route.primary is connection and route.successor is not None:
                self._succeed(symbol, whole=False)
            elif route.primary is connection or route.primary.retiring:
                unserved.append(symbol)
            else:
                self._end_probe(symbol, now_s)
        return unserved

    def on_retiring(self, connection: Connection, now_s: float) -> list[str]:
        """A connection will end soon. Returns the symbols that need a replacement for it."""
        unserved = []
        for symbol in list(connection.wanted):
            route = self._routes[symbol]
            if route.successor is None or (
                route.successor is connection and route.primary.retiring
            ):
                unserved.append(symbol)
            elif route.successor is connection:
                self._end_probe(symbol, now_s)
        return unserved

    def replace(self, old: Connection, new: Connection, symbols: Iterable[str]) -> None:
        """Give symbols to a new connection: as their successor, or at once if `old` has ended."""
        for symbol in symbols:
            route = self._routes[symbol]
            if route.primary is old and not old.is_open:
                new.add(symbol)
                route.primary = new
                self._note_gap(symbol)
            else:
                if route.successor is old:
                    old.drop(symbol)
                self.set_successor(symbol, new)

    # --- Symbols that move -------------------------------------------------------------------

    def set_successor(self, symbol: str, successor: Connection) -> None:
        """Subscribe a symbol on another connection too, and see what comes."""
        successor.add(symbol)
        self._routes[symbol].successor = successor
        self._moving.add(symbol)

    def hand_over(self, now_s: float) -> None:
        """Let successors take over where nothing is missed by that, or nothing is left to gain."""
        for symbol in list(self._moving):
            self._hand_over_one(symbol, now_s)

    def _hand_over_one(self, symbol: str, now_s: float) -> None:
        route = self._routes[symbol]
        assert route.successor is not None  # noqa: S101  # it is moving
        old, new = route.primary.live.get(symbol), route.successor.live.get(symbol)
        if new is None:
            return
        if old is None:
            self._succeed(symbol, whole=False)
        elif new.first_ms and old.event_ms >= new.first_ms:
            self._succeed(symbol, whole=True)
        elif new.first_ms and now_s - old.heard_s > self.timing.quiet_s:
            self._succeed(symbol, whole=False)
        elif now_s - new.live_s > self.timing.heartbeat_s:
            if route.primary.retiring:
                self._succeed(symbol, whole=False)
            else:
                self._end_probe(symbol, now_s)

    def _succeed(self, symbol: str, whole: bool) -> None:
        """Make the successor the primary; `whole` where nothing was missed by that."""
        route = self._routes[symbol]
        assert route.successor is not None  # noqa: S101  # it is moving
        route.primary.drop(symbol)
        route.primary, route.successor = route.successor, None
        self._moving.discard(symbol)
        if not whole:
            self._note_gap(symbol)

    # --- Symbols on which a connection is silent ---------------------------------------------

    def silent_symbols(self, connection: Connection, now_s: float) -> list[str]:
        """Symbols whose kline events have stopped there, so that another connection is probed.

        A market at a break sends none anywhere: it stays, and is probed ever more seldom.
        """
        symbols = []
        for symbol, reception in connection.live.items():
            route = self._routes[symbol]
            if route.primary is not connection or route.successor is not None:
                continue
            if now_s - reception.heard_s <= self.timing.heartbeat_s:
                route.failed_probes = 0
            elif now_s >= route.next_probe_s:
                symbols.append(symbol)
        return symbols

    def _end_probe(self, symbol: str, now_s: float) -> None:
        """The other connection was no better, or is gone."""
        route = self._routes[symbol]
        assert route.successor is not None  # noqa: S101  # it is being probed
        route.successor.drop(symbol)
        route.successor = None
        self._moving.discard(symbol)
        route.failed_probes += 1
        backoff = Backoff(self.timing.heartbeat_s, MAX_PROBE_PAUSE_S)
        route.next_probe_s = now_s + backoff.pause_s(route.failed_probes)
