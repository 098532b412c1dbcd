"""The body's database through Django: one set of migrations for SQLite and PostgreSQL."""
