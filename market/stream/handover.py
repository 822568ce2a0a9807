"""Which connection carries which symbol, and how a symbol moves from one to another.

Every followed symbol has one connection that carries it, its *primary*. Where that one is to
go, or brings nothing of the symbol, another is subscribed first, the *heir*; both deliver
meanwhile. The heir takes over once the old connection has brought all that came before the
heir's first event: then nothing was missed. Where it doesn't come to that there is a gap.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from foundation.backoff import Backoff
from market.stream.connection import Connection, Timing

MAX_TRIAL_PAUSE_S = 600.0


@dataclass(slots=True)
class Route:
    """Where a symbol comes from."""

    primary: Connection
    heir: Connection | None = None
    trials: int = 0  # how often another connection was no better, in a row
    next_trial_s: float = 0.0


class Routes:
    """The routes of all followed symbols. `live` and the rest are as in MarketStream."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.live: set[str] = set()
        self.newly_live: list[str] = []
        self.newly_silent: list[str] = []
        self._routes: dict[str, Route] = {}
        self._moving: set[str] = set()  # symbols that have an heir

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
        if route.heir is not None:
            route.heir.drop(symbol)
        self._moving.discard(symbol)
        self.live.discard(symbol)
        self._forget_newly_live(symbol)

    def clear(self) -> None:
        self._routes.clear()
        self._moving.clear()
        self.live.clear()
        self.newly_live.clear()
        self.newly_silent.clear()

    def proven_ms(self, symbol: str) -> int:
        """As in MarketStream. What an heir brings proves nothing before it has taken over."""
        route = self._routes.get(symbol)
        reception = route.primary.live.get(symbol) if route else None
        return reception.proven_ms if reception else 0

    def acknowledged(self, connection: Connection, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            if self._routes[symbol].primary is connection:
                self._tell(symbol)

    # --- Connections that go -----------------------------------------------------------------

    def relies_on(self, connection: Connection) -> bool:
        return any(self._routes[symbol].primary is connection for symbol in connection.wanted)

    def lost(self, connection: Connection, now_s: float) -> list[str]:
        """A connection has ended. Returns the symbols that need its successor."""
        orphans = []
        for symbol in list(connection.wanted):
            route = self._routes[symbol]
            if route.primary is connection and route.heir is not None:
                self._take_over(symbol, whole=False)
            elif route.primary is connection or route.primary.retiring:
                orphans.append(symbol)
            else:
                self._end_trial(symbol, now_s)
        return orphans

    def retires(self, connection: Connection, now_s: float) -> list[str]:
        """A connection will end soon. Returns the symbols that need its successor."""
        orphans = []
        for symbol in list(connection.wanted):
            route = self._routes[symbol]
            if route.heir is None or (route.heir is connection and route.primary.retiring):
                orphans.append(symbol)
            elif route.heir is connection:
                self._end_trial(symbol, now_s)
        return orphans

    def succeed(self, old: Connection, successor: Connection, symbols: Iterable[str]) -> None:
        """Give symbols to a successor: as their heir, or at once where `old` has ended."""
        for symbol in symbols:
            route = self._routes[symbol]
            if route.primary is old and not old.is_open:
                successor.add(symbol)
                route.primary = successor
                self._tell(symbol)
            else:
                if route.heir is old:
                    old.drop(symbol)
                self.set_heir(symbol, successor)

    # --- Symbols that move -------------------------------------------------------------------

    def set_heir(self, symbol: str, heir: Connection) -> None:
        """Subscribe a symbol on another connection too, and see what comes."""
        heir.add(symbol)
        self._routes[symbol].heir = heir
        self._moving.add(symbol)

    def hand_over(self, now_s: float) -> None:
        """Let heirs take over where nothing is missed by that, or no more is to be hoped."""
        for symbol in list(self._moving):
            self._hand_over_one(symbol, now_s)

    def _hand_over_one(self, symbol: str, now_s: float) -> None:
        route = self._routes[symbol]
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
                self._end_trial(symbol, now_s)

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
            self._forget_newly_live(symbol)

    def _forget_newly_live(self, symbol: str) -> None:
        self.newly_live = [name for name in self.newly_live if name != symbol]

    # --- Symbols that are deaf ---------------------------------------------------------------

    def deaf(self, connection: Connection, now_s: float) -> list[str]:
        """Whose kline events have stopped there, so that another connection may be tried.

        A market at a break sends none anywhere: it stays, and is tried ever more seldom.
        """
        symbols = []
        for symbol, reception in connection.live.items():
            route = self._routes[symbol]
            if route.primary is not connection or route.heir is not None:
                continue
            if now_s - reception.heard_s <= self.timing.heartbeat_s:
                route.trials = 0
            elif now_s >= route.next_trial_s:
                symbols.append(symbol)
        return symbols

    def _end_trial(self, symbol: str, now_s: float) -> None:
        """The other connection was no better, or is gone."""
        route = self._routes[symbol]
        assert route.heir is not None  # noqa: S101  # it is being tried
        route.heir.drop(symbol)
        route.heir = None
        self._moving.discard(symbol)
        route.trials += 1
        pause_s = Backoff(self.timing.heartbeat_s, MAX_TRIAL_PAUSE_S).pause_s(route.trials)
        route.next_trial_s = now_s + pause_s
