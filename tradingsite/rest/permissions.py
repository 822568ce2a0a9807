"""Permissions of the REST API: who may read and who may write."""

from typing import Any

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


class ReadersAndStaff(BasePermission):
    """Reads are for everybody where PUBLIC_READ, else for users; writes are for staff."""

    message = "only staff may change anything; sign in as one, or send a token of one"

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method in SAFE_METHODS:
            return settings.PUBLIC_READ or bool(request.user.is_authenticated)
        return bool(request.user.is_authenticated and request.user.is_staff)
