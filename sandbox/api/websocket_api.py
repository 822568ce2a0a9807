"""The WebSocket API: requests and answers in frames, and user data. Source: protocol F.1, G."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.api.dispatcher import Desk
from sandbox.api.limits import orders_used, weight_used
from sandbox.api.params import Params
from sandbox.api.request import Call, Endpoint, Methods
from sandbox.api.signing import ParamsProof
from sandbox.errors import ApiError, invalid_parameter
from sandbox.streams.connections import POLICY_VIOLATION, TEXT, Socket, Sockets, frame
from sandbox.wire import Json, encode_json

LAST_SUBSCRIPTION = 65_535
BANNED = 418
LIMITS_WISH = "returnRateLimits"


@dataclass(slots=True)
class Question:
    """A request in its envelope, as far as it could be read; `id` is only echoed."""

    id: int | str | None = None
    method: str = ""
    sent: dict[str, str] = field(default_factory=dict)

    @property
    def wants_limits(self) -> bool:
        return self.sent.get(LIMITS_WISH) != "false"

    @property
    def params(self) -> Params:
        return Params({name: value for name, value in self.sent.items() if name != LIMITS_WISH})

    @property
    def proof(self) -> ParamsProof:
        return ParamsProof(Params(self.sent))


class ApiSocket(Socket):
    """One client's connection."""

    def __init__(self, api: "WsApi", transport: asyncio.Transport, wants_limits: bool) -> None:
        super().__init__(api.sockets.clock, transport, api.sockets.lifetime_ms)
        self.api = api
        self.wants_limits = wants_limits
        self.address = str((transport.get_extra_info("peername") or [""])[0])
        self.subscriptions: list[int] = []
        self.next_subscription = 0

    def heard(self, message: bytes) -> None:
        self.api.ask(self, message)

    def reply(self, answer: Json) -> None:
        self.queue(frame(TEXT, encode_json(answer)))
        self.flush()

    def tell(self, event: Json) -> None:
        for subscription in self.subscriptions:
            self.reply({"subscriptionId": subscription, "event": event})

    def shutdown_frame(self, now_ms: int) -> bytes:
        return frame(TEXT, encode_json({"event": {"e": "serverShutdown", "E": now_ms}}))

    def subscribe(self) -> int:
        """Follow the account's events; returns the id of this. Raises -2035, -2042."""
        if self.subscriptions:
            raise ApiError(-2035, "User Data Stream subscription already active.")
        if self.next_subscription > LAST_SUBSCRIPTION:
            raise ApiError(-2042, "Maximum subscription ID reached for this connection.")
        self.subscriptions.append(self.next_subscription)
        self.next_subscription += 1
        self.api.user_data.listeners.add(self)
        return self.subscriptions[-1]

    def unsubscribe(self, subscription: int | None) -> None:
        """End one or all; each is told so. Raises -2036."""
        ended = self.subscriptions[:] if subscription is None else [subscription]
        if not set(ended) <= set(self.subscriptions) or not ended:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        for one in ended:
            self.subscriptions.remove(one)
            event = {"e": "eventStreamTerminated", "E": self.clock.now_ms()}
            self.reply({"subscriptionId": one, "event": event})
        if not self.subscriptions:
            self.api.user_data.listeners.discard(self)


class WsApi:
    """What the connections of the WebSocket API ask for, and how that is answered."""

    def __init__(self, desk: Desk, sockets: Sockets[Any], methods: Methods) -> None:
        self.desk = desk
        self.methods = methods
        self.sockets, self.user_data = sockets, desk.context.user_data
        self._under_way: set[asyncio.Task[None]] = set()

    def open(self, transport: asyncio.Transport, wants_limits: bool) -> ApiSocket:
        connection = ApiSocket(self, transport, wants_limits)
        self.sockets.add(connection)
        return connection

    def closed(self, connection: ApiSocket) -> None:
        self.sockets.closed(connection)
        self.user_data.listeners.discard(connection)

    def ask(self, socket: ApiSocket, message: bytes) -> None:
        """Have a request answered, however long that takes, while others go on."""
        task = asyncio.create_task(self._answer(socket, message))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _answer(self, socket: ApiSocket, message: bytes) -> None:
        question, call = Question(), None
        answer: object
        try:
            _read(question, message)
            endpoint = self._endpoint(question.method)
        except ApiError as error:
            answer = self.desk.unreadable(error, socket.address)
        else:
            call = self.desk.arrived(endpoint, question.params, socket, "ws")
            answer = await self.desk.answer(endpoint, call, question.proof, socket.address)
        self._reply(socket, question, answer, call)

    def _endpoint(self, method: str) -> Endpoint:
        endpoint = self.methods.get(method.removeprefix("v3/"))
        if endpoint is None:
            raise invalid_parameter("method")
        return endpoint

    def _reply(
        self, socket: ApiSocket, question: Question, answer: object, call: Call | None
    ) -> None:
        spoiled = call.spoiled if call else None
        if spoiled and spoiled.by == "html":  # there are no pages here
            answer = ApiError(-1000, "An unknown error occurred.", spoiled.status)
        envelope: Json = {"id": question.id}
        if isinstance(answer, ApiError):
            envelope |= {"status": answer.status, "error": self._error(answer)}
        else:
            envelope |= {"status": 200, "result": answer}
        if socket.wants_limits and question.wants_limits:
            envelope["rateLimits"] = self._limits(socket, call)
        if spoiled and spoiled.by == "reset":
            socket.abort()
        socket.halves_next |= bool(spoiled and spoiled.by == "half")
        socket.reply(envelope)
        if envelope["status"] == BANNED:
            socket.close(POLICY_VIOLATION, "IP banned")

    def _error(self, error: ApiError) -> Json:
        """`retryAfter` is a time here, not a length of it."""
        body = error.body()
        if error.retry_at_ms is not None:
            body["data"] = {
                "serverTime": self.sockets.clock.now_ms(),
                "retryAfter": error.retry_at_ms,
            }
        return body

    def _limits(self, socket: ApiSocket, call: Call | None) -> list[Json]:
        weight = weight_used(self.desk.used(socket.address))
        if not (call and call.is_placement):
            return [weight]
        counts = call.exchange.engine.lifecycle.order_count.counts(call.now_ms)
        return [*orders_used(counts), weight]


def _read(question: Question, message: bytes) -> None:
    """Fill the question in as far as the message can be read; raises -1135 or -1130.

    Which code the exchange answers such messages with is not documented.
    """
    try:
        request = json.loads(message, parse_float=str)
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise ApiError(-1135, "Invalid JSON Request")
    asked_by = request.get("id")
    if isinstance(asked_by, bool) or not isinstance(asked_by, int | str | None):
        raise invalid_parameter("id")
    question.id = asked_by
    question.method = _of_type(request, "method", str, "")
    params = _of_type(request, "params", dict, {})
    question.sent = {name: _text(value) for name, value in params.items()}


def _of_type(request: Json, name: str, kind: type, default: Any) -> Any:
    value = request.get(name, default)
    if not isinstance(value, kind):
        raise invalid_parameter(name)
    return value


def _text(value: object) -> str:
    """A value as it stands in the request, which is also how it is signed."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
