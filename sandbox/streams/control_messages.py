"""Control messages of a stream connection. Source: protocol B.4."""

import re
from typing import Any

import orjson

from sandbox.wire import Json

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
MAX_STREAMS = 1024
TEXT_ID = re.compile(r"[A-Za-z0-9-]{1,36}")  # UUIDs too: Binance's own client sends them
STREAM = re.compile(r"(![A-Za-z]+|[^\s@!/]+)@[A-Za-z0-9]\w*(@[\w+:-]+)*")


class ControlError(Exception):
    """A refused control message: Binance's code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Subscriber:
    """A connection as control messages see it."""

    combined: bool

    def subscriptions(self) -> list[str]:
        """Names of the streams, in order of subscription."""
        raise NotImplementedError

    def subscribe(self, names: list[str]) -> None:
        raise NotImplementedError

    def unsubscribe(self, names: list[str]) -> None:
        raise NotImplementedError


def handle_control_message(subscriber: Subscriber, message: bytes) -> Json:
    """Carry a control message out. Errors come nested, as they are seen on the wire."""
    request: Any = None
    try:
        request = _parse(message)
        return {"result": _execute(subscriber, request), "id": request["id"]}
    except ControlError as error:
        return {"error": {"code": error.code, "msg": error.message}, "id": _request_id(request)}


def _parse(message: bytes) -> Any:
    try:
        request = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        where = f"at line {error.lineno} column {error.colno}"
        raise ControlError(3, f"Invalid JSON: expected value {where}") from None
    if not isinstance(request, dict):
        raise _invalid_request("expected an object at line 1 column 1")
    end = f"at line 1 column {len(message)}"
    if "method" not in request:
        raise _invalid_request(f"missing field `method` {end}")
    if request["method"] not in METHODS:
        known = ", ".join(f"`{method}`" for method in METHODS)
        raise _invalid_request(
            f"unknown variant {request['method']}, expected one of {known} {end}"
        )
    _check_id(request, end)
    return request


def _check_id(request: Json, end: str) -> None:
    if "id" not in request:
        raise _invalid_request(f"missing field `id` {end}")
    if not _is_id(request["id"]):
        raise _invalid_request("request ID must be an unsigned integer")


def _is_id(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        return bool(TEXT_ID.fullmatch(value))
    return value is None or isinstance(value, int)


def _request_id(request: Any) -> Any:
    value = request.get("id") if isinstance(request, dict) else None
    return value if _is_id(value) else None


def _invalid_request(message: str) -> ControlError:
    return ControlError(2, f"Invalid request: {message}")


def _execute(subscriber: Subscriber, request: Json) -> Any:
    params = request.get("params", [])
    if not isinstance(params, list):
        raise _invalid_request("params must be an array")
    match request["method"]:
        case "SUBSCRIBE":
            return subscriber.subscribe(_stream_names(params, subscriber.subscriptions()))
        case "UNSUBSCRIBE":
            return subscriber.unsubscribe(_stream_names(params, []))
        case "LIST_SUBSCRIPTIONS":
            return subscriber.subscriptions()
        case "SET_PROPERTY":
            return _set_property(subscriber, params)
        case _:
            _check_property(params, 1)
            return subscriber.combined


def _stream_names(params: list[Any], subscribed: list[str]) -> list[str]:
    """Stream names, well formed. That of an unknown symbol passes, and never delivers."""
    if not params or not all(isinstance(name, str) and STREAM.fullmatch(name) for name in params):
        raise _invalid_request("invalid stream")
    if len({*params, *subscribed}) > MAX_STREAMS:
        raise ControlError(4, "Too many subscriptions")
    return params


def _set_property(subscriber: Subscriber, params: list[Any]) -> None:
    _check_property(params, 2)
    if len(params) < 2 or not isinstance(params[1], bool):
        raise ControlError(1, "Invalid value type: expected Boolean")
    subscriber.combined = params[1]


def _check_property(params: list[Any], max_params: int) -> None:
    if len(params) > max_params:
        raise _invalid_request("too many parameters")
    if not params or not isinstance(params[0], str):
        raise _invalid_request("property name must be a string")
    if params[0] != "combined":
        raise ControlError(0, "Unknown property")
