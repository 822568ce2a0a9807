"""A command's session with the exchange: symbols, failures in one line, stopping."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.core.management.base import CommandError

from market.failures import ExchangeUnreachable, Refused
from market.models import Symbol
from market.rest import MarketRest
from market.services import UnknownSymbol, get_or_fetch_symbol
from market.wire.bounds import BadFrame

STOPPED = 130  # a shell's word for a program that SIGINT ended


def find_symbol(name: str, rest: MarketRest) -> Symbol:
    """The symbol, stored or learned from the exchange. May raise ExchangeUnreachable."""
    try:
        return get_or_fetch_symbol(name, rest)
    except UnknownSymbol as error:
        raise CommandError(f"{error}; give one that it trades, like BTCUSDT") from error


@contextmanager
def exchange_session() -> Iterator[threading.Event]:
    """A failure between the exchange and us is the command's failure, in one line.

    The first SIGINT or SIGTERM sets the event; waiting for the exchange ends then.
    """
    with stop_on_signal() as stopping:
        try:
            yield stopping
        except Refused as error:
            raise CommandError(f"the exchange refused: {error}") from error
        except (ExchangeUnreachable, BadFrame) as error:
            if stopping.is_set():
                raise CommandError("stopped", returncode=STOPPED) from error
            raise CommandError(f"the exchange could not be asked: {error}") from error


@contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second one does what it always did."""
    stopping = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
