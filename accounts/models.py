"""API tokens, of which the hash alone is kept."""

import hashlib
import secrets

from django.conf import settings
from django.db import models

SECRET_BYTES = 32


class Token(models.Model):
    """An API token of a user: its SHA-256 and what it is for. What the program sends is shown once,
    when it is made, and kept nowhere. Deleting the row revokes it.
    """

    digest = models.CharField(max_length=64, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    name = models.CharField(max_length=60, blank=True, help_text="What it is for.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name or f"token {self.pk}"


def digest(secret: str) -> str:
    """The hash that a token is kept as. It needs no salt: its secret is random and long."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)
