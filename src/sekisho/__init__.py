"""Sekisho: a working system for the secondary use of health data (医療等情報の利活用)."""
