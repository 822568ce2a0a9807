"""All faults there are, by name."""

from typing import get_args

import msgspec

from sandbox.faults.connections import (
    Disconnect,
    HalfFrame,
    Refuse,
    ServerShutdown,
    Stall,
    UserDisconnect,
    UserRefuse,
    UserShutdown,
    UserStall,
)
from sandbox.faults.exchange import ClockSkew, OrderLimit, ReadLag, Reset, Transfer
from sandbox.faults.fault import Fault
from sandbox.faults.market_streams import (
    DoubleFinal,
    Duplicate,
    MissingFinal,
    Mute,
    Reorder,
    SkipIds,
    WrongKlines,
)
from sandbox.faults.orders import (
    DelayedExecution,
    EarlyReport,
    HeldOrder,
    OrderError,
    OrderHalf,
    OrderHtml,
    OrderReset,
    OrderTimeout,
    Reject,
    SlowFills,
)
from sandbox.faults.requests import RateLimit, RestError, RestLag, SlowRest
from sandbox.faults.targets import BadFault
from sandbox.faults.trades import Backdated, HoleIds, LateTrades
from sandbox.faults.user_data import (
    DropReports,
    DuplicateReports,
    LateReports,
    ReorderReports,
    UserMute,
)

FeedKinds = (
    Disconnect | HalfFrame | Stall | ServerShutdown | Refuse
    | SkipIds | Duplicate | Reorder | MissingFinal | DoubleFinal | WrongKlines | Mute
    | HoleIds | LateTrades | Backdated
    | SlowRest | RestLag | RateLimit | RestError
)  # fmt: skip
OrderKinds = (
    OrderTimeout | OrderError | OrderHtml | OrderReset | OrderHalf | Reject
    | HeldOrder | DelayedExecution | SlowFills | EarlyReport
)  # fmt: skip
UserDataKinds = (
    DropReports | DuplicateReports | ReorderReports | LateReports | UserMute
    | UserDisconnect | UserStall | UserShutdown | UserRefuse
)  # fmt: skip
VenueKinds = ReadLag | ClockSkew | OrderLimit | Transfer | Reset
Kinds = FeedKinds | OrderKinds | UserDataKinds | VenueKinds


def named(kinds: object) -> dict[str, type[Fault]]:
    return {str(kind.__struct_config__.tag): kind for kind in get_args(kinds)}


FEED_FAULTS = named(FeedKinds)
FAULTS = named(Kinds)


def parse(body: bytes) -> Fault:
    """A fault from JSON; raises BadFault saying what is wrong."""
    try:
        fault: Fault = msgspec.json.decode(body, type=Kinds)
    except msgspec.DecodeError as error:
        raise BadFault(str(error)) from None
    return fault
