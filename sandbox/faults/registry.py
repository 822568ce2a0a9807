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
from sandbox.faults.exchange import (
    ClockSkew,
    Delisting,
    OrderLimit,
    ReadLag,
    Reset,
    Suspension,
    Transfer,
    UnknownStatus,
)
from sandbox.faults.fault import Fault
from sandbox.faults.market_streams import (
    Deaf,
    DoubleFinal,
    Duplicate,
    HostileValues,
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
    ThinBook,
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

FeedFaultTypes = (
    Disconnect | HalfFrame | Stall | ServerShutdown | Refuse
    | SkipIds | Duplicate | Reorder | HostileValues
    | MissingFinal | DoubleFinal | WrongKlines | Mute | Deaf
    | HoleIds | LateTrades | Backdated
    | SlowRest | RestLag | RateLimit | RestError
)  # fmt: skip
OrderFaultTypes = (
    OrderTimeout | OrderError | OrderHtml | OrderReset | OrderHalf | Reject
    | HeldOrder | DelayedExecution | SlowFills | ThinBook | EarlyReport
)  # fmt: skip
UserDataFaultTypes = (
    DropReports | DuplicateReports | ReorderReports | LateReports | UserMute
    | UserDisconnect | UserStall | UserShutdown | UserRefuse
)  # fmt: skip
ExchangeFaultTypes = (
    ReadLag | UnknownStatus | ClockSkew | OrderLimit | Transfer | Reset | Suspension | Delisting
)  # fmt: skip
FaultTypes = FeedFaultTypes | OrderFaultTypes | UserDataFaultTypes | ExchangeFaultTypes


def faults_by_name(types: object) -> dict[str, type[Fault]]:
    """The fault types of a union by the names that they are injected by."""
    return {str(kind.__struct_config__.tag): kind for kind in get_args(types)}


FEED_FAULTS = faults_by_name(FeedFaultTypes)
FAULTS = faults_by_name(FaultTypes)


def parse_fault(body: bytes) -> Fault:
    """A fault from JSON; raises BadFault saying what is wrong."""
    try:
        fault: Fault = msgspec.json.decode(body, type=FaultTypes)
    except msgspec.DecodeError as error:
        raise BadFault(str(error)) from None
    return fault
