"""Arrow's scalars with their type said; else Arrow looks for pandas at each of them, for 1 ms."""

from __future__ import annotations

import pyarrow as pa


def int32(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.int32())


def int64(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.int64())


def uint8(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint8())


def uint64(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint64())


def float64(value: float) -> pa.Scalar:
    return pa.scalar(value, pa.float64())


def text(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.string())


def flag(value: bool) -> pa.Scalar:
    return pa.scalar(value, pa.bool_())


def null(of: pa.Array) -> pa.Scalar:
    """Return the null of a column's type."""
    return pa.scalar(None, of.type)
