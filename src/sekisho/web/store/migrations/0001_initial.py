"""The tables as they first were."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = ()

    operations = (
        migrations.CreateModel(
            name="Counter",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("next", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("direction", models.CharField(max_length=3)),
                ("peer", models.CharField(max_length=80)),
                ("path", models.CharField(max_length=80)),
                ("content_type", models.CharField(max_length=80)),
                ("meta", models.JSONField()),
                ("file", models.CharField(max_length=64)),
                ("size", models.BigIntegerField()),
                ("state", models.CharField(db_index=True, max_length=12)),
                ("attempts", models.IntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="StagedEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.BigIntegerField(unique=True)),
                ("data", models.BinaryField()),
                ("settled", models.BooleanField(db_index=True, default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stream", models.CharField(max_length=200)),
                ("sequence", models.IntegerField()),
                ("data", models.JSONField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("stream", "sequence"), name="one_event")
                ],
            },
        ),
        migrations.CreateModel(
            name="Nonce",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sender", models.CharField(max_length=80)),
                ("nonce", models.CharField(max_length=80)),
                ("at", models.DateTimeField(db_index=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("sender", "nonce"), name="one_nonce")
                ],
            },
        ),
        migrations.CreateModel(
            name="Record",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("key", models.CharField(max_length=200)),
                ("data", models.JSONField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("kind", "key"), name="one_record")],
            },
        ),
    )
