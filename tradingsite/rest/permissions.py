"""Permissions of the REST API: who may read and who may write."""

from typing import Any

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


class ReadersAndStaff(BasePermission):
    """Reads are for everybody where PUBLIC_READ, else for users. Writes are for staff who have the
    permission that the admin asks for, too: a view names it by method in `write_permissions`, and
    what it doesn't name is for superusers.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        method = str(request.method)
        if method in SAFE_METHODS:
            return settings.PUBLIC_READ or bool(request.user.is_authenticated)
        if not (request.user.is_authenticated and request.user.is_staff):
            self.message = "only staff may change anything; sign in as one, or send a token of one"
            return False
        if not hasattr(view, method.lower()):
            return True  # answered with 405
        needed = getattr(view, "write_permissions", {}).get(method)
        self.message = f"{request.user} lacks the permission {needed}; /admin/auth/user/ gives it"
        return bool(request.user.is_superuser or (needed and request.user.has_perm(needed)))
