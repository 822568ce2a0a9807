"""Every request that carried an order or a cancel, as it arrived: part of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.wire import Json

HIDDEN = ("signature", "apiKey")


@dataclass(slots=True)
class Sent:
    """One request. `action` is None where it carried no order, and then it is not kept.

    `status` and `code` are those of the answer; a status of None means that none was given (yet).
    `fault` names what befell it.
    """

    time_ms: int
    by: str
    action: str | None
    params: Mapping[str, str]
    order_id: int | None = None
    status: int | None = None
    code: int | None = None
    fault: str | None = None

    def told(self) -> Json:
        """As the ledger shows it."""
        return {
            "time_ms": self.time_ms,
            "by": self.by,
            "action": self.action,
            "params": {name: value for name, value in self.params.items() if name not in HIDDEN},
            "orderId": self.order_id,
            "status": self.status,
            "code": self.code,
            "fault": self.fault,
        }
