"""Tokens made, and the sessions and tokens that still let somebody in."""

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.contrib.auth.models import AbstractBaseUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import Token, digest, new_secret


class Credential(NamedTuple):
    """A session's key, or the hash of a token."""

    kind: Literal["session", "token"]
    value: str


def create_token(user: User, name: str = "") -> str:
    """Make a token of `user`; what is returned is known to nobody afterwards."""
    secret = new_secret()
    Token.objects.create(digest=digest(secret), user=user, name=name)
    return secret


def of_token(secret: str) -> Credential:
    return Credential("token", digest(secret))


def valid(credentials: Collection[Credential]) -> set[Credential]:
    """Those of `credentials` that let an active user in, asked of the database in a few queries."""
    by_kind: dict[str, list[str]] = {"session": [], "token": []}
    for kind, value in credentials:
        by_kind[kind].append(value)
    return {
        *(Credential("token", one) for one in _valid_tokens(by_kind["token"])),
        *(Credential("session", one) for one in _valid_sessions(by_kind["session"])),
    }


def _valid_tokens(digests: Collection[str]) -> Iterable[str]:
    if not digests:
        return ()
    found = Token.objects.filter(digest__in=digests, user__is_active=True)
    return found.values_list("digest", flat=True)


def _valid_sessions(keys: Collection[str]) -> Iterable[str]:
    """Sessions of active users, signed in with the password that they have now."""
    if not keys:
        return
    rows = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    sessions = {row.session_key: SessionStore().decode(row.session_data) for row in rows}
    wanted = {data[SESSION_KEY] for data in sessions.values() if SESSION_KEY in data}
    users = {str(user.pk): user for user in get_user_model().objects.filter(pk__in=wanted)}
    for key, data in sessions.items():
        user = users.get(data.get(SESSION_KEY, ""))
        known = data.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
        if user is not None and known and user.is_active and _is_of_password(data, user):
            yield key


def _is_of_password(data: dict[str, str], user: AbstractBaseUser) -> bool:
    given = data.get(HASH_SESSION_KEY, "")
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(given, known) for known in hashes)
