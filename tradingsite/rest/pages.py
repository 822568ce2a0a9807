"""The pages people look at."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

Page = Callable[..., HttpResponseBase]


def for_readers(page: Page) -> Page:
    """The page for those who may read; others are sent to sign in first."""

    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.PUBLIC_READ and not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return page(request, *args, **kwargs)

    return guarded


@require_safe
@for_readers
def dashboard(request: HttpRequest) -> HttpResponseBase:
    """The trading page: what it shows comes from REST and the socket."""
    context = {
        "intervals": settings.INTERVALS,
        "venue": "Sandbox" if settings.USES_SANDBOX else "Testnet",
        "trading": settings.TRADING_ENABLED,
        "may_halt": request.user.is_staff and request.user.has_perm("orders.add_halt"),
    }
    return render(request, "dashboard.html", context)
