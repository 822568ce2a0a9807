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
    """A request as it came, as far as it could be read; `id` is only echoed."""

    id: int | str | None = None
    method: str = ""
    values: dict[str, str] = field(default_factory=dict)

    @property
    def wants_limits(self) -> bool:
        return self.values.get(LIMITS_PARAMETER) != "false"

    @property
    def params(self) -> RequestParams:
        kept = {name: text for name, text in self.values.items() if name != LIMITS_PARAMETER}
        return RequestParams(kept)

    @property
    def signature(self) -> ParamsSignature:
        return ParamsSignature(RequestParams(self.values))


class ApiConnection(Connection):
    """One client's connection to the WebSocket API, with its subscriptions to user data."""

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
        """Subscribe to user data; returns the id of the subscription. Raises -2035, -2042."""
        if self.subscription_ids:
            raise ApiError(-2035, "User Data Stream subscription already active.")
        if self.next_subscription_id > MAX_SUBSCRIPTION_ID:
            raise ApiError(-2042, "Maximum subscription ID reached for this connection.")
        self.subscription_ids.append(self.next_subscription_id)
        self.next_subscription_id += 1
        self.api.user_data.listeners.add(self)
        return self.subscription_ids[-1]

    def unsubscribe(self, subscription_id: int | None) -> None:
        """End one subscription or all, each with an event. Raises -2036."""
        ended = self.subscription_ids[:] if subscription_id is None else [subscription_id]
        if not set(ended) <= set(self.subscription_ids) or not ended:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        for number in ended:
            self.subscription_ids.remove(number)
            event = {"e": "eventStreamTerminated", "E": self.clock.now_ms()}
            self.send_message({"subscriptionId": number, "event": event})
        if not self.subscription_ids:
            self.api.user_data.listeners.discard(self)


class WebSocketApi:
    """Answers the requests that come on connections of the WebSocket API."""

    def __init__(
        self, dispatcher: Dispatcher, connections: ConnectionPool[ApiConnection], methods: Methods
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

    def handle_message(self, connection: ApiConnection, message: bytes) -> None:
        """Answer a request, however long that takes, while others go on."""
        task = asyncio.create_task(self._answer(connection, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, connection: ApiConnection, message: bytes) -> None:
        envelope, api_request = RequestEnvelope(), None
        answer: object
        try:
            _parse_envelope(envelope, message)
            endpoint = self._endpoint(envelope.method)
        except ApiError as error:
            answer = self.dispatcher.refuse_unreadable(error, connection.address)
        else:
            api_request = self.dispatcher.receive(endpoint, envelope.params, connection, "ws")
            signature, address = envelope.signature, connection.address
            answer = await self.dispatcher.dispatch(endpoint, api_request, signature, address)
        self._reply(connection, envelope, answer, api_request)

    def _endpoint(self, method: str) -> Endpoint:
        endpoint = self.methods.get(method.removeprefix("v3/"))
        if endpoint is None:
            raise invalid_parameter("method")
        return endpoint

    def _reply(
        self,
        connection: ApiConnection,
        envelope: RequestEnvelope,
        answer: object,
        api_request: ApiRequest | None,
    ) -> None:
        spoiled = api_request.spoiled if api_request else None
        if spoiled and spoiled.kind == "html":  # WebSocket knows no pages
            answer = ApiError(-1000, "An unknown error occurred.", spoiled.status)
        message: Json = {"id": envelope.id}
        if isinstance(answer, ApiError):
            message |= {"status": answer.status, "error": self._error(answer)}
        else:
            message |= {"status": 200, "result": answer}
        if connection.wants_limits and envelope.wants_limits:
            message["rateLimits"] = self._limits(connection, api_request)
        if spoiled and spoiled.kind == "reset":
            connection.abort()
        connection.halves_next_frame |= bool(spoiled and spoiled.kind == "half")
        connection.send_message(message)
        if message["status"] == BANNED_STATUS:
            connection.close(POLICY_VIOLATION, "IP banned")

    def _error(self, error: ApiError) -> Json:
        """The body of an error; `retryAfter` is a time here, not a length of it."""
        body = error.body()
        if error.retry_at_ms is not None:
            body["data"] = {
                "serverTime": self.connections.clock.now_ms(),
                "retryAfter": error.retry_at_ms,
            }
        return body

    def _limits(self, connection: ApiConnection, api_request: ApiRequest | None) -> list[Json]:
        weight = weight_limit(self.dispatcher.used_weight(connection.address))
        if not (api_request and api_request.is_placement):
            return [weight]
        counts = api_request.engine.order_count.counts(api_request.now_ms)
        return [*order_limits(counts), weight]


def _parse_envelope(envelope: RequestEnvelope, message: bytes) -> None:
    """Fill the envelope in as far as the message can be read; raises -1135 or -1130.

    The codes with which the exchange answers such messages are not documented.
    """
    try:
        request = json.loads(message, parse_float=str)
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise ApiError(-1135, "Invalid JSON Request")
    request_id = request.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, int | str | None):
        raise invalid_parameter("id")
    envelope.id = request_id
    envelope.method = _of_type(request, "method", str, "")
    params = _of_type(request, "params", dict, {})
    envelope.values = {name: _value_text(value) for name, value in params.items()}


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
