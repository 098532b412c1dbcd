"""Whatever is in a file of a hospital or a check-up, readers neither crash nor lose a record."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkup_files import HDL, HEIGHT, IDS, SMOKING, archive, checkup, item
from sekisho.common.errors import UserError
from sekisho.common.randomness import seeded
from sekisho.provider import Limits, Outcome, Profile, Record, prepare, read
from ssmix_files import INSTITUTION, message
from submissions import KEY, TWO_BODIES, classify, condition, even, laboratory, patient

LIMITS = Limits(line_bytes=20_000, file_bytes=100_000)
quick = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def settled(paths: Sequence[Path], format_id: str) -> None:
    """Assert that the files are read without a crash and that every record has one fate."""
    records = [x for x in read(format_id, paths, LIMITS) if isinstance(x, Record)]
    profile = Profile(institution=INSTITUTION)
    try:
        one = prepare(
            paths,
            format_id,
            classify,
            KEY,
            TWO_BODIES,
            seeded(1),
            limits=LIMITS,
            profile=profile,
        )
    except UserError as error:
        if error.code != "submission.nothing-readable":
            raise
        return
    even(one)
    assert one.read == Counter(record.record_type for record in records)


KINDS = ("ADT-00", "ADT-22", "ADT-52", "ADT-61", "PPR-01", "OMP-01", "OMP-02", "OMP-12", "OML-11")
TYPES = {"PPR-01": "PPR", "OMP-01": "RDE", "OMP-02": "RDE", "OMP-12": "RAS", "OML-11": "OUL"}
SEGMENTS = ("IN1", "PV1", "EVN", "AL1", "IAM", "OBX", "OBR", "SPM", "PRB", "ZPR", "ORC", "RXE",
            "RXC", "RXA", "TQ1", "PID", "ZZ")  # fmt: skip
segments = st.builds(
    lambda kind, fields: "|".join((kind, *fields)),
    st.sampled_from(SEGMENTS),
    st.lists(st.text(alphabet='0123456789^~&\\.EF"あ-<X', max_size=12), max_size=22),
)


@quick
@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.lists(segments, max_size=5),
            st.sampled_from("0122111"),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=4,
    ),
    st.binary(max_size=12),
    st.integers(0, 300),
)
def test_any_storage_is_read_and_balanced(
    files: list[tuple[str, list[str], str, int]], noise: bytes, place: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = [message(root, "ADT-00", day="-")]
        for number, (kind, lines, condition, order) in enumerate(files):
            made.append(
                message(
                    root,
                    kind,
                    *lines,
                    condition=condition,
                    order=str(order),
                    moment=f"2026031012000000{number}",
                    msh9=TYPES.get(kind, "ADT"),
                )
            )
        data = made[-1].read_bytes()
        made[-1].write_bytes(data[:place] + noise + data[place:])
        settled([root], "ss-mix2")
        settled(made[::-1], "ss-mix2")


items = st.builds(
    lambda code, kind, value, flavour, text: item(
        code,
        kind,
        value=escape(value, {'"': "&quot;"}),
        code=escape(value, {'"': "&quot;"}),
        nullFlavor=flavour,
        text=escape(text),
    ),
    st.sampled_from((HEIGHT, HDL, SMOKING, "", "9N")),
    st.sampled_from(("PQ", "CD", "CO", "ST", "INT", "x:PQ", "")),
    st.text(alphabet='0123456789.-+eE<&"あN', max_size=8),
    st.sampled_from(("", "NI", "PINF", "NINF")),
    st.text(alphabet="あ<& x", max_size=5),
)
digits = st.text(alphabet="0123456789あ:", max_size=9)


@quick
@given(
    st.lists(items, max_size=4),
    st.dictionaries(st.sampled_from(("101", "204", "205", "211")), digits, max_size=4),
    st.tuples(digits, digits, st.sampled_from(("10", "40", "19", "21", ""))),
    st.binary(max_size=12),
    st.integers(0, 2_000),
    st.booleans(),
)
def test_any_checkup_is_read_and_balanced(
    made: list[str],
    ids: dict[str, str],
    head: tuple[str, str, str],
    noise: bytes,
    place: int,
    packed: bool,
) -> None:
    day, born, report = head
    data = checkup(*made, ids=ids or IDS, day=day, born=born or "19700203", report=report)
    bad = data[:place] + noise + data[place:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        if packed:
            files = {"DATA/h1.xml": data, "DATA/h2.xml": bad, "ix08.xml": noise}
            archive(path, files)
        else:
            path.write_bytes(bad)
        settled([path], "checkup-cda")


@quick
@given(st.binary(max_size=40), st.integers(0, 1_500), st.integers(0, 40))
def test_any_archive_is_read_and_balanced(noise: bytes, place: int, lost: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = archive(Path(folder) / "a", {"DATA/h1.xml": checkup(), "ix08.xml": b"<index/>"})
        data = path.read_bytes()
        path.write_bytes(data[:place] + noise + data[place + lost :])
        settled([path], "checkup-cda")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
REPORTED = (patient(1), laboratory(1), condition(1), {"resourceType": "CarePlan"})
PATHS = ("subject", "code", "identifier", "category", "meta", "effectiveDateTime", "resourceType")


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    made = dict(draw(st.sampled_from(REPORTED)))
    if draw(st.booleans()):
        made["subject"] = {"reference": "urn:uuid:0"}
    if draw(st.integers(0, 4)) == 0:
        made[draw(st.sampled_from(PATHS))] = draw(json_values)
    return json.dumps(made).encode()


@quick
@given(
    st.lists(entries(), max_size=5),
    st.sampled_from(("collection", "document", "batch")),
    st.booleans(),
    st.binary(max_size=3),
)
def test_any_report_is_read_whole_or_not_at_all(
    made: list[bytes], kind: str, first: bool, noise: bytes
) -> None:
    made = [json.dumps(patient(1)).encode(), *made] if first else made
    parts = [b'{"fullUrl":"urn:uuid:%d","resource":%s}' % (n, x) for n, x in enumerate(made)]
    name = b"http://jpfhir.jp/fhir/clins/bundle-identifier"
    head = b'{"resourceType":"Bundle","type":"%s","identifier":{"system":"%s","value":"%s"},'
    data = head % (kind.encode(), name, b"1318814790^2024^1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        path.write_bytes(data + b'"entry":[' + b",".join(parts) + b"]}" + noise)
        records = [x for x in read("jp-clins", [path], LIMITS) if isinstance(x, Record)]
        refused = {record.outcome is Outcome.REFUSED for record in records}
        assert len(refused) <= 1
        settled([path], "jp-clins")
