"""A client of the WebSocket API, as plain as can be."""

import itertools
import json
from collections.abc import Callable
from typing import Any

from sandbox.api.signing import sign
from sandbox.config import SAMPLE_KEY, SAMPLE_SECRET
from tests.sandbox.venue import Json, Venue


def sign_params(params: Json, key: str = SAMPLE_KEY) -> Json:
    """With key and signature; a timestamp must be there."""
    params = {**params, "apiKey": key}
    payload = "&".join(f"{name}={_text(params[name])}" for name in sorted(params))
    return {**params, "signature": sign(SAMPLE_SECRET, payload)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class ApiClient:
    """One connection. What comes without being asked for gathers in `events`."""

    def __init__(self, venue: Venue, path: str = "/ws-api/v3") -> None:
        self.venue = venue
        self.socket = venue.socket(path)
        self.events: list[Json] = []
        self._ids = itertools.count(1)

    def request(self, method: str, **params: Any) -> Json:
        """The whole answer to a request."""
        return self.receive_answer(self.send(method, **params))

    def send(self, method: str, **params: Any) -> int:
        number = next(self._ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        return number

    def receive_answer(self, number: int | str | None) -> Json:
        """Time stands still meanwhile, or requests would grow too old on their way."""
        self.socket.holds_time = True
        while "id" not in (message := json.loads(self.socket.recv())):
            self.events.append(message)
        self.socket.holds_time = False
        assert message["id"] == number
        return message

    def signed_request(self, method: str, **params: Any) -> Json:
        """The whole answer to a signed request."""
        return self.request(
            method, **sign_params({"timestamp": self.venue.clock.now_ms(), **params})
        )

    def subscribed(self) -> "ApiClient":
        assert self.signed_request("userDataStream.subscribe.signature")["status"] == 200
        return self

    def place_order(self, **params: Any) -> Json:
        return self.receive_answer(self.send_order(**params))

    def send_order(self, **params: Any) -> int:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"} | params
        order.setdefault("timestamp", self.venue.clock.now_ms())
        return self.send("order.place", **sign_params(order))

    def receive_events_until(self, wanted: Callable[[Json], bool]) -> list[Json]:
        """All events that have come, up to the first wanted one, without their envelopes."""
        while not (self.events and wanted(self.events[-1]["event"])):
            self.events.append(json.loads(self.socket.recv()))
        received, self.events = [message["event"] for message in self.events], []
        return received

    def receive_reports(self, *last: str) -> list[Json]:
        """Execution reports up to the first of these statuses, and the balances after it."""
        received = self.receive_events_until(lambda event: event.get("X") in last)
        received += self.receive_events_until(lambda event: event["e"] == "outboundAccountPosition")
        return received
