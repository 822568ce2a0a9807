"""The WebSocket API: requests and answers in frames, and user data. Source: protocol F.1, G."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.api.dispatcher import Dispatcher
from sandbox.api.limits import order_limits, weight_limit
from sandbox.api.params import RequestParams
from sandbox.api.request import ApiRequest, Endpoint, Methods
from sandbox.api.signing import ParamsSignature
from sandbox.errors import ApiError, invalid_parameter
from sandbox.streams.connections import Connection, ConnectionPool
from sandbox.streams.frames import POLICY_VIOLATION, TEXT, encode_frame
from sandbox.wire import Json, encode_json

MAX_SUBSCRIPTION_ID = 65_535
BANNED_STATUS = 418
LIMITS_PARAMETER = "returnRateLimits"


@dataclass(slots=True)
class RequestEnvelope:
    """A request in its envelope, as far as it could be read; `id` is only echoed."""

    id: int | str | None = None
    method: str = ""
    values: dict[str, str] = field(default_factory=dict)

    @property
    def wants_limits(self) -> bool:
        return self.values.get(LIMITS_PARAMETER) != "false"

    @property
    def params(self) -> RequestParams:
        return RequestParams(
            {name: value for name, value in self.values.items() if name != LIMITS_PARAMETER}
        )

    @property
    def signature(self) -> ParamsSignature:
        return ParamsSignature(RequestParams(self.values))


class ApiConnection(Connection):
    """One client's connection."""

    def __init__(
        self, api: "WebSocketApi", transport: asyncio.Transport, wants_limits: bool
    ) -> None:
        super().__init__(api.connections.clock, transport, api.connections.lifetime_ms)
        self.api = api
        self.wants_limits = wants_limits
        self.address = str((transport.get_extra_info("peername") or [""])[0])
        self.subscription_ids: list[int] = []
        self.next_subscription_id = 0

    def on_message(self, message: bytes) -> None:
        self.api.handle_message(self, message)

    def send_message(self, answer: Json) -> None:
        self.queue_frame(encode_frame(TEXT, encode_json(answer)))
        self.flush_frames()

    def send_event(self, event: Json) -> None:
        for subscription in self.subscription_ids:
            self.send_message({"subscriptionId": subscription, "event": event})

    def shutdown_frame(self, now_ms: int) -> bytes:
        return encode_frame(TEXT, encode_json({"event": {"e": "serverShutdown", "E": now_ms}}))

    def subscribe(self) -> int:
        """Follow the account's events; returns the id of this. Raises -2035, -2042."""
        if self.subscription_ids:
            raise ApiError(-2035, "User Data Stream subscription already active.")
        if self.next_subscription_id > MAX_SUBSCRIPTION_ID:
            raise ApiError(-2042, "Maximum subscription ID reached for this connection.")
        self.subscription_ids.append(self.next_subscription_id)
        self.next_subscription_id += 1
        self.api.user_data.listeners.add(self)
        return self.subscription_ids[-1]

    def unsubscribe(self, subscription: int | None) -> None:
        """End one or all; each is told so. Raises -2036."""
        ended = self.subscription_ids[:] if subscription is None else [subscription]
        if not set(ended) <= set(self.subscription_ids) or not ended:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        for one in ended:
            self.subscription_ids.remove(one)
            event = {"e": "eventStreamTerminated", "E": self.clock.now_ms()}
            self.send_message({"subscriptionId": one, "event": event})
        if not self.subscription_ids:
            self.api.user_data.listeners.discard(self)


class WebSocketApi:
    """What the connections of the WebSocket API ask for, and how that is answered."""

    def __init__(
        self, dispatcher: Dispatcher, connections: ConnectionPool[Any], methods: Methods
    ) -> None:
        self.dispatcher = dispatcher
        self.methods = methods
        self.connections, self.user_data = connections, dispatcher.context.user_data
        self._tasks: set[asyncio.Task[None]] = set()

    def open_connection(self, transport: asyncio.Transport, wants_limits: bool) -> ApiConnection:
        connection = ApiConnection(self, transport, wants_limits)
        self.connections.add_connection(connection)
        return connection

    def remove_connection(self, connection: ApiConnection) -> None:
        self.connections.remove_connection(connection)
        self.user_data.listeners.discard(connection)

    def handle_message(self, socket: ApiConnection, message: bytes) -> None:
        """Have a request answered, however long that takes, while others go on."""
        task = asyncio.create_task(self._answer(socket, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, socket: ApiConnection, message: bytes) -> None:
        question, call = RequestEnvelope(), None
        answer: object
        try:
            _parse_envelope(question, message)
            endpoint = self._endpoint(question.method)
        except ApiError as error:
            answer = self.dispatcher.refuse_unreadable(error, socket.address)
        else:
            call = self.dispatcher.receive(endpoint, question.params, socket, "ws")
            answer = await self.dispatcher.dispatch(
                endpoint, call, question.signature, socket.address
            )
        self._reply(socket, question, answer, call)

    def _endpoint(self, method: str) -> Endpoint:
        endpoint = self.methods.get(method.removeprefix("v3/"))
        if endpoint is None:
            raise invalid_parameter("method")
        return endpoint

    def _reply(
        self,
        socket: ApiConnection,
        question: RequestEnvelope,
        answer: object,
        call: ApiRequest | None,
    ) -> None:
        spoiled = call.spoiled if call else None
        if spoiled and spoiled.kind == "html":  # there are no pages here
            answer = ApiError(-1000, "An unknown error occurred.", spoiled.status)
        envelope: Json = {"id": question.id}
        if isinstance(answer, ApiError):
            envelope |= {"status": answer.status, "error": self._error(answer)}
        else:
            envelope |= {"status": 200, "result": answer}
        if socket.wants_limits and question.wants_limits:
            envelope["rateLimits"] = self._limits(socket, call)
        if spoiled and spoiled.kind == "reset":
            socket.abort()
        socket.halves_next_frame |= bool(spoiled and spoiled.kind == "half")
        socket.send_message(envelope)
        if envelope["status"] == BANNED_STATUS:
            socket.close(POLICY_VIOLATION, "IP banned")

    def _error(self, error: ApiError) -> Json:
        """`retryAfter` is a time here, not a length of it."""
        body = error.body()
        if error.retry_at_ms is not None:
            body["data"] = {
                "serverTime": self.connections.clock.now_ms(),
                "retryAfter": error.retry_at_ms,
            }
        return body

    def _limits(self, socket: ApiConnection, call: ApiRequest | None) -> list[Json]:
        weight = weight_limit(self.dispatcher.used_weight(socket.address))
        if not (call and call.is_placement):
            return [weight]
        counts = call.exchange.engine.lifecycle.order_count.counts(call.now_ms)
        return [*order_limits(counts), weight]


def _parse_envelope(question: RequestEnvelope, message: bytes) -> None:
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
    question.values = {name: _value_text(value) for name, value in params.items()}


def _of_type(request: Json, name: str, kind: type, default: Any) -> Any:
    value = request.get(name, default)
    if not isinstance(value, kind):
        raise invalid_parameter(name)
    return value


def _value_text(value: object) -> str:
    """A value as it stands in the request, which is also how it is signed."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
