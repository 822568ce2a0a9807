"""What an account holds, read from the exchange's answer."""

from decimal import Decimal

import msgspec

from orders.exchange import OutcomeUnknown


class WireBalance(msgspec.Struct):
    asset: str
    free: Decimal


class WireAccount(msgspec.Struct):
    balances: list[WireBalance]


ACCOUNT = msgspec.json.Decoder(WireAccount)


def read_free(body: bytes) -> dict[str, Decimal]:
    """The free balance of each asset. Source: Binance Spot REST, "Account information"."""
    try:
        return {balance.asset: balance.free for balance in ACCOUNT.decode(body).balances}
    except msgspec.MsgspecError as error:
        raise OutcomeUnknown(f"no account: {body[:200]!r}") from error
