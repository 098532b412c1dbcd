"""Whatever is in a file, readers neither crash nor lose a record, and landing keeps every row."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.common.errors import UserError
from sekisho.provider import Limits, Record, read, sources
from sekisho.provider.readers.fhir_values import decimal_text
from sekisho.provider.readers.uke_values import uke_day
from sekisho.quality import check, load_rules, records_of
from submissions import NORTH, condition, days, even, laboratory, patient, prepared, receipt, uke

LIMITS = Limits(line_bytes=20_000, file_bytes=100_000, receipt_lines=50)
quick = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
PATHS = ("subject", "code", "onsetDateTime", "effectiveDateTime", "valueQuantity", "status", "id")


@st.composite
def resources(draw: st.DrawFn) -> bytes:
    """Return a good resource, one with an element replaced by anything, or any bytes."""
    which = draw(st.integers(0, 5))
    if which == 0:
        return draw(st.binary(max_size=60))
    number, person = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    made: dict[str, Any] = draw(
        st.sampled_from([patient(person), condition(number, person), laboratory(number, person)])
    )
    if which > 3:
        made = {**made, draw(st.sampled_from(PATHS)): draw(json_values)}
    raw = json.dumps(made).encode()
    return raw[: draw(st.integers(0, len(raw)))] if which == 1 else raw


def settled(path: Path, format_id: str) -> None:
    """Assert that the file is read without a crash and that every record has one fate."""
    records = [x for x in read(format_id, [path], LIMITS) if isinstance(x, Record)]
    try:
        one = prepared([path], format_id, limits=LIMITS)
    except UserError as error:
        if error.code != "submission.nothing-readable":
            raise
        return
    even(one)
    assert one.read == Counter(record.record_type for record in records)
    for part in one.parts.values():
        delivered = {
            (str(x["record_type"]), str(x["data_class"])): x["delivered"]
            for x in part.declared()
            if x["delivered"]
        }
        assert records_of(part.tables) == delivered


def in_file(data: bytes, name: str, format_id: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        settled(path, format_id)


@quick
@given(st.lists(resources(), min_size=1, max_size=12))
def test_any_ndjson_is_read_and_balanced(lines: list[bytes]) -> None:
    in_file(b"\n".join(lines), "a.ndjson", "fhir-ndjson")


@quick
@given(
    st.lists(resources(), min_size=1, max_size=6),
    st.sampled_from(["transaction", "collection", "document", "x"]),
    st.booleans(),
)
def test_any_bundle_is_read_and_balanced(entries: list[bytes], kind: str, named: bool) -> None:
    parts = [b'{"fullUrl":"urn:uuid:%d","resource":%s}' % (n, x) for n, x in enumerate(entries)]
    name = b'"identifier":{"system":"s","value":"v"},' if named else b""
    head = b'{"resourceType":"Bundle","type":"%s",%s"entry":[' % (kind.encode(), name)
    in_file(head + b",".join(parts) + b"]}", "b.json", "fhir-bundle")


fields = st.text(alphabet='0123456789,ABSIRGEOYHK　あ"', max_size=30)
good = st.sampled_from(
    [
        "SY,8833421,20260301,1,8002,,01,",
        days("SI,11,1,111000110,,288,1"),
        days("IY,21,1,620000001,1.5,10,7", count=7),
        "CO,99,1,810000001,x",
        "SJ,1,x",
        "JD,1",
    ]
)


@quick
@given(
    st.lists(st.lists(good | fields, max_size=5), max_size=4),
    st.binary(max_size=20),
    st.integers(0, 400),
)
def test_any_receipt_file_is_read_and_balanced(
    receipts: Sequence[Sequence[str]], noise: bytes, place: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.UKE"
        made = [receipt(n, *lines) for n, lines in enumerate(receipts, 1)]
        data = uke(path, *made).read_bytes()
        path.write_bytes(data[:place] + noise + data[place:])
        settled(path, "uke")


@quick
@given(
    st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=12),
    st.integers(1, 50),
    st.integers(1, 30),
)
def test_lines_do_not_hang_on_how_the_file_is_read(
    texts: list[bytes], piece: int, longest: int
) -> None:
    """Against a plain split, for any size of piece; too long lines are None, blank ones skipped."""
    data = b"\n".join([b"a", *texts])
    expected = [
        (n, None if len(text) > longest else text.rstrip(b"\r"))
        for n, text in enumerate(data.split(b"\n"), 1)
        if len(text) > longest or (text and not text.isspace())
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(data)
        limits = Limits(line_bytes=longest, piece_bytes=piece)
        got = [(line.number, line.data) for line in sources.lines(path, limits)]
    assert got == expected


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9
    )
)
def test_a_number_keeps_its_value_and_has_one_spelling(value: Decimal) -> None:
    text = decimal_text(value)
    assert Decimal(text) == value
    assert text == decimal_text(Decimal(text)) == decimal_text(value * Decimal("1.000"))


@given(st.dates(date(1926, 12, 25), date(2026, 12, 31)))
def test_era_and_western_spelling_of_a_day_are_equal(day: date) -> None:
    start, digit = max(
        ((1926, 3), (1989, 4), (2019, 5)), key=lambda era: (era[0] <= day.year, era[0])
    )
    era = f"{digit}{day.year - start + 1:02d}{day:%m%d}"
    assert uke_day(era) == uke_day(f"{day:%Y%m%d}") == (day - date(1970, 1, 1)).days


@quick
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.dates(date(1890, 1, 1), date(2030, 1, 1))), max_size=10
    ),
    st.sets(st.integers(0, 2)),
)
def test_every_row_lands_or_waits_and_no_record_is_split(
    root: Path, events: list[tuple[int, date]], absent: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.ndjson"
        lines = [patient(n) for n in (1, 2, 3)]
        lines += [condition(n, who) for n, (who, _) in enumerate(events)]
        path.write_text("\n".join(map(json.dumps, lines)))
        part = prepared([path]).parts[NORTH]
    tables = dict(part.tables)
    if events:
        rows = tables["condition_occurrence"]
        days_ = pa.array([when for _, when in events], pa.date32())
        place = rows.column_names.index("condition_start_date")
        tables["condition_occurrence"] = rows.set_column(place, "condition_start_date", days_)
    tags = [tag for tag, _ in part.identities]
    arrived = {tag for n, tag in enumerate(tags) if n not in absent}
    today = date(2026, 4, 1)
    landed = check(tables, load_rules(root / "rules" / "collection.toml"), day=today, tags=arrived)
    for name, rows in tables.items():
        kept = landed.tables.get(name)
        held = landed.quarantined.get(name)
        assert rows.num_rows == sum(t.num_rows for t in (kept, held) if t is not None)
    names = [
        {row["source_id"] for t in some.values() for row in t.to_pylist()}
        for some in (landed.tables, landed.quarantined)
    ]
    assert not names[0] & names[1]
    for row in landed.tables.get("condition_occurrence", tables["person"].slice(0, 0)).to_pylist():
        assert date(1980, 5, 1) <= row["condition_start_date"] <= today + timedelta(days=1)
        assert row["tag"] in arrived
