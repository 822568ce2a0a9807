"""Methods about the connection they come on. Source: protocol F.1, G.3.

Keys here are HMAC, so nobody can log on and every request is signed.
"""

from sandbox.api.request import ApiRequest
from sandbox.api.websocket_api import ApiConnection
from sandbox.errors import ApiError
from sandbox.wire import Json


def _connection(call: ApiRequest) -> ApiConnection:
    if not isinstance(call.client, ApiConnection):
        raise TypeError("a method of connections was asked for over REST")
    return call.client


async def logon(call: ApiRequest) -> object:
    """Refused; with which code is not documented."""
    raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")


async def status(call: ApiRequest) -> object:
    """Also the answer to a logout."""
    socket = _connection(call)
    return {
        "apiKey": None,
        "authorizedSince": None,
        "connectedSince": socket.opened_ms,
        "returnRateLimits": socket.wants_limits,
        "serverTime": call.server_time_ms,
        "userDataStream": bool(socket.subscription_ids),
    }


async def subscriptions(call: ApiRequest) -> object:
    return [{"subscriptionId": one} for one in _connection(call).subscription_ids]


async def subscribe(call: ApiRequest) -> object:
    return {"subscriptionId": _connection(call).subscribe()}


async def subscribe_logged_on(call: ApiRequest) -> object:
    raise ApiError(-1002, "You are not authorized to execute this request.", 401)


async def unsubscribe(call: ApiRequest) -> Json:
    _connection(call).unsubscribe(call.params.integer("subscriptionId"))
    return {}
