"""Runs a scenario against running bodies."""
