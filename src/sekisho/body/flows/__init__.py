"""Journeys across rooms, one file each: a flow reads, decides through rooms, returns an outcome.

A flow changes nothing itself: what it returns is committed whole by `sekisho.body.service`. It may
be run again after a crash, so files that it writes before are written under names that repeat.
"""
