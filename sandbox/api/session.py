"""Methods about the connection they come on. Source: protocol F.1, G.3.

Keys here are HMAC, so nobody can log on and every request is signed.
"""

from sandbox.api.request import Call
from sandbox.api.websocket_api import ApiSocket
from sandbox.errors import ApiError
from sandbox.wire import Json


def _socket(call: Call) -> ApiSocket:
    if not isinstance(call.caller, ApiSocket):
        raise TypeError("a method of connections was asked for over REST")
    return call.caller


async def logon(call: Call) -> object:
    """Refused; with which code is not documented."""
    raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")


async def status(call: Call) -> object:
    """Also the answer to a logout."""
    socket = _socket(call)
    return {
        "apiKey": None,
        "authorizedSince": None,
        "connectedSince": socket.opened_ms,
        "returnRateLimits": socket.wants_limits,
        "serverTime": call.server_ms,
        "userDataStream": bool(socket.subscriptions),
    }


async def subscriptions(call: Call) -> object:
    return [{"subscriptionId": one} for one in _socket(call).subscriptions]


async def subscribe(call: Call) -> object:
    return {"subscriptionId": _socket(call).subscribe()}


async def subscribe_logged_on(call: Call) -> object:
    raise ApiError(-1002, "You are not authorized to execute this request.", 401)


async def unsubscribe(call: Call) -> Json:
    _socket(call).unsubscribe(call.params.integer("subscriptionId"))
    return {}
