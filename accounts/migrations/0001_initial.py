import hashlib

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FORMER = "authtoken_token"  # Django REST framework's table, which kept tokens as they are sent


def take_over_tokens(apps, schema_editor):
    """Keep the hash of every token there is; the table with the tokens themselves goes."""
    connection = schema_editor.connection
    if FORMER not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA secure_delete = ON")  # or the file would still hold them
        cursor.execute(f"SELECT key, user_id FROM {FORMER}")
        former = cursor.fetchall()
    Token = apps.get_model("accounts", "Token")
    Token.objects.bulk_create(
        Token(digest=hashlib.sha256(key.encode()).hexdigest(), user_id=user, name="")
        for key, user in former
    )
    schema_editor.execute(f"DELETE FROM {FORMER}")
    schema_editor.execute(f"DROP TABLE {FORMER}")


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Token",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "name",
                    models.CharField(blank=True, help_text="What it is for.", max_length=60),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["-created_at", "-id"]},
        ),
        migrations.RunPython(take_over_tokens, migrations.RunPython.noop),
    ]
