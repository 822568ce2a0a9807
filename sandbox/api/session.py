"""Handlers about the WebSocket connection that a request comes on. Source: protocol F.1, G.3.

Keys here are HMAC, so nobody can log on and every request is signed.
"""

from sandbox.api.request import ApiRequest
from sandbox.api.websocket_api import ApiConnection
from sandbox.errors import ApiError
from sandbox.wire import Json


def _connection(request: ApiRequest) -> ApiConnection:
    if not isinstance(request.client, ApiConnection):
        raise TypeError("a method of connections was asked for over REST")
    return request.client


async def logon(request: ApiRequest) -> object:
    """Refuse to log on; the code of that is not documented."""
    raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")


async def status(request: ApiRequest) -> object:
    """State of the connection; also the answer to a logout."""
    connection = _connection(request)
    return {
        "apiKey": None,
        "authorizedSince": None,
        "connectedSince": connection.opened_ms,
        "returnRateLimits": connection.wants_limits,
        "serverTime": request.server_time_ms,
        "userDataStream": bool(connection.subscription_ids),
    }


async def subscriptions(request: ApiRequest) -> object:
    return [{"subscriptionId": number} for number in _connection(request).subscription_ids]


async def subscribe(request: ApiRequest) -> object:
    return {"subscriptionId": _connection(request).subscribe()}


async def subscribe_logged_on(request: ApiRequest) -> object:
    raise ApiError(-1002, "You are not authorized to execute this request.", 401)


async def unsubscribe(request: ApiRequest) -> Json:
    _connection(request).unsubscribe(request.params.integer("subscriptionId"))
    return {}
