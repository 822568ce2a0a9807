"""Stops of open positions, for whoever watches them on every tick."""

from foundation.times import to_ms
from orders.core.stops import Stop
from orders.models import Position


def open_stops() -> list[Stop]:
    """The stops of all open positions that are not already being sold.

    That one has a protective stop at the exchange changes nothing: we watch it all the same.
    """
    positions = Position.objects.open().unsold()
    return [
        Stop(pk, name, price, to_ms(opened_at))
        for pk, name, price, opened_at in positions.values_list(
            "pk", "symbol__name", "stop_price", "opened_at"
        )
        if price is not None
    ]
