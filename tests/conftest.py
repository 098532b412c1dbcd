"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no broken promise: how long one example takes is for benchmarks.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Test data that nobody here wrote; tests on it skip by name where it is absent."""
    folder = Path(os.environ.get("SEKISHO_TESTDATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("foreign test data not found: set SEKISHO_TESTDATA")
    return folder
