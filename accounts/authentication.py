"""Authentication by password and by token, both behind the brake."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from drf_spectacular.authentication import TokenScheme
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from accounts import brake
from accounts.models import Token, digest


def client_address(request: HttpRequest | Request | None) -> str:
    """The address of whoever asks; behind a trusted proxy, that of the proxy's client. Empty where
    a program of ours asks.
    """
    return "" if request is None else str(request.META.get("REMOTE_ADDR", ""))


class BrakedBackend(ModelBackend):
    """Django's own users and passwords, of which only so many are tried."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> Any:
        address = client_address(request)
        bounds = brake.password_bounds(username or "", address)
        counts = brake.count(bounds)
        if brake.exceeds(bounds, counts):
            raise PermissionDenied  # the password isn't even looked at
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            brake.log_failure(bounds, counts, account=(username or "")[:150], address=address)
        else:
            brake.forget(bounds)
        return user


class BrakedLoginForm(AdminAuthenticationForm):
    """The admin's form, which says for how long nobody is let in."""

    def clean(self) -> dict[str, Any]:
        account, address = self.cleaned_data.get("username"), client_address(self.request)
        if account is not None:
            self._check(brake.locked_for_s(brake.password_bounds(account, address)))
        return super().clean()

    def _check(self, locked_s: int) -> None:
        if locked_s:
            minutes = -(-locked_s // 60)
            raise forms.ValidationError(
                f"Too many wrong passwords. Try again in {minutes} minutes.", code="locked_out"
            )


class TokenAuthentication(authentication.TokenAuthentication):
    """`Authorization: Token …`, held against the hashes that are kept."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        self.address = client_address(request)
        found: tuple[User, Token] | None = super().authenticate(request)
        return found

    def authenticate_credentials(self, key: str) -> tuple[User, Token]:
        check_brake(self.address)
        token = Token.objects.select_related("user").filter(digest=digest(key)).first()
        if token is None or not token.user.is_active:
            count_wrong_token(self.address)
            raise AuthenticationFailed("no such token; manage.py createtoken makes one")
        return token.user, token


def check_brake(address: str) -> None:
    """Raises Throttled (429) where too many wrong tokens came from that address."""
    if wait_s := brake.locked_for_s(brake.token_bounds(address)):
        raise Throttled(wait_s, "too many wrong tokens from this address")


def count_wrong_token(address: str) -> None:
    bounds = brake.token_bounds(address)
    brake.log_failure(bounds, brake.count(bounds), address=address)


class HashedTokenScheme(TokenScheme):
    """The schema's name for it, the same as for Django REST framework's own."""

    target_class = "accounts.authentication.TokenAuthentication"
