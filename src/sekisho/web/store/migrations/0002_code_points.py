"""Keys and streams in order of code points, so that what begins alike is found by their index.

PostgreSQL orders text as a language does, and an index in that order knows no beginnings; SQLite
orders it so already.
"""

from django.db import migrations


def order(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for model, name in (("Record", "key"), ("Event", "stream")):
            table = apps.get_model("store", model)._meta.db_table
            schema_editor.execute(
                f'ALTER TABLE "{table}" ALTER COLUMN "{name}" TYPE varchar(200) COLLATE "C"'
            )


class Migration(migrations.Migration):
    dependencies = (("store", "0001_initial"),)

    operations = (migrations.RunPython(order, migrations.RunPython.noop),)
