"""Log of the requests that carried an order or a cancel: part of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.wire import Json

HIDDEN_PARAMETERS = ("signature", "apiKey")


@dataclass(slots=True)
class LoggedRequest:
    """One request, as it arrived by "rest" or "ws". Kept only where it has an `action`.

    `status` and `code` are those of the answer; a status of None means that none was given (yet).
    `fault` names the one that took the request over.
    """

    time_ms: int
    channel: str
    action: str | None
    params: Mapping[str, str]
    order_id: int | None = None
    status: int | None = None
    code: int | None = None
    fault: str | None = None

    def to_json(self) -> Json:
        """The request as the ledger shows it."""
        return {
            "time_ms": self.time_ms,
            "by": self.channel,
            "action": self.action,
            "params": {
                name: value for name, value in self.params.items() if name not in HIDDEN_PARAMETERS
            },
            "orderId": self.order_id,
            "status": self.status,
            "code": self.code,
            "fault": self.fault,
        }
