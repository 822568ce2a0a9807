"""The admin as tests use it."""

from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse


def signed_in() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def page(client: Client, model: str, query: str = "") -> str:
    """The list of `model` (`orders_trade`); it must be there."""
    response = client.get(f"{reverse(f'admin:{model}_changelist')}?{query}")
    assert response.status_code == 200, response
    return response.content.decode()


def row_page(client: Client, model: str, row: Any) -> str:
    response = client.get(reverse(f"admin:{model}_change", args=[row.pk]))
    assert response.status_code == 200, response
    return response.content.decode()


def save(client: Client, model: str, row: Any, form: dict[str, Any]) -> str:
    """Send the form of a row, or of a new one; the page that comes of it."""
    args = [row.pk] if row else []
    address = reverse(f"admin:{model}_{'change' if row else 'add'}", args=args)
    return client.post(address, form, follow=True).content.decode()


def act(client: Client, model: str, action: str, *rows: Any) -> str:
    """Run an action on rows; the page that comes of it."""
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(f"admin:{model}_changelist"), form, follow=True).content.decode()


def may_not_change(client: Client, model: str, row: Any) -> bool:
    """Whether rows can be neither added, nor changed, nor deleted."""
    addresses = [
        reverse(f"admin:{model}_add"),
        reverse(f"admin:{model}_change", args=[row.pk]),
        reverse(f"admin:{model}_delete", args=[row.pk]),
    ]
    return all(client.post(address, {}).status_code == 403 for address in addresses)
