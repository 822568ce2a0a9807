from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0001_initial'),
    ]

    operations = [
        migrations.RenameField('order', 'price_seen', 'reference_price'),
        migrations.RenameField('dayresult', 'fall', 'drawdown'),
        migrations.RenameField('foreignorder', 'moved', 'net_quantity'),
    ]
