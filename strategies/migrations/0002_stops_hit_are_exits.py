from django.db import migrations
from django.db.models import Min


def decide_exits(apps, _):
    """A position whose stop was hit is to be sold; until now its signal alone said so."""
    signals = apps.get_model('strategies', 'Signal').objects
    hits = signals.filter(reason='stop_loss', position__status='open')
    for position_id, at in hits.values_list('position').annotate(Min('created_at')):
        positions = apps.get_model('orders', 'Position').objects.filter(pk=position_id)
        positions.update(exit_reason='stop_loss', exit_decided_at=at)


class Migration(migrations.Migration):

    dependencies = [
        ('strategies', '0001_initial'),
        ('orders', '0003_exits_and_adjustments'),
    ]

    operations = [migrations.RunPython(decide_exits, migrations.RunPython.noop)]
