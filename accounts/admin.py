"""API tokens in the admin: made, shown once, revoked."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import Token, digest, new_secret
from foundation.admin import signed_in_user


@admin.register(Token)
class TokenAdmin(admin.ModelAdmin[Token]):
    """Each staff user sees and makes tokens of their own, a superuser those of all."""

    list_display = ("name", "user", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    fields = ("user", "name")

    def has_change_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Token]:
        tokens = super().get_queryset(request)
        return tokens if _sees_all(request) else tokens.filter(user=signed_in_user(request))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A token acts as its user, so nobody may make one of somebody else."""
        if db_field.name == "user" and not _sees_all(request):
            kwargs["queryset"] = User.objects.filter(pk=signed_in_user(request).pk)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Token, form: Any, change: bool) -> None:
        secret = new_secret()
        obj.digest = digest(secret)
        super().save_model(request, obj, form, change)
        text = f"The token is {secret} — copy it now: it is not shown again."
        self.message_user(request, text, messages.WARNING)


def _sees_all(request: HttpRequest) -> bool:
    return bool(request.user.is_superuser)
