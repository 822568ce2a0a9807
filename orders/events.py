"""Facts about orders, trades, positions and the halt."""

from foundation.events import Event
from orders.models import Alarm, Halt, Order, Position, Trade

order_changed: Event[Order] = Event("order_changed")
trade_booked: Event[Trade] = Event("trade_booked")
position_changed: Event[Position] = Event("position_changed")
halt_changed: Event[Halt] = Event("halt_changed")
account_subscribed: Event[str] = Event("account_subscribed")  # the URL; what was before is missing
alarm_changed: Event[Alarm] = Event("alarm_changed")  # raised or settled
# The exchange refused an order, or will not say anything of the symbol: ask what it is in.
symbol_refused: Event[str] = Event("symbol_refused")
