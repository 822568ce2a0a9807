"""The pages people look at."""

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe


def content_security_policy(request: HttpRequest) -> str:
    """The Content-Security-Policy: all is ours. Safari takes no WebSocket for 'self'."""
    host = request.get_host()
    return (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self'; connect-src 'self' ws://{host} wss://{host}"
    )


@require_safe
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """The trading page: what it shows comes from REST and the socket."""
    if not settings.PUBLIC_READ and not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    context = {
        "intervals": settings.INTERVALS,
        "venue": "Sandbox" if settings.USES_SANDBOX else "Testnet",
        "trading": settings.TRADING_ENABLED,
    }
    response = render(request, "dashboard.html", context)
    response["Content-Security-Policy"] = content_security_policy(request)
    return response
