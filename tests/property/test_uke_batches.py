"""Receipts read in batches say what the same receipts say one by one, whatever is in the file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.common.errors import UserError
from sekisho.common.randomness import seeded
from sekisho.provider import Limits, Part, Prepared, Profile, prepare
from sekisho.provider.batches import Batch
from sekisho.provider.readers import uke_batches
from sekisho.pseudonym.identifiers import canonical
from sekisho.synthetic import Period, ProviderSpec, generate
from submissions import KEY, TWO_BODIES

NEVER = 1 << 30
"""Fewest receipts of a batch: more than a file has."""
SMALL = {"line_bytes": 300, "receipt_lines": 12}
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

common = st.sampled_from(["202603"] * 6 + ["50803", "202602"])
ODD = (
    "", " ", "0", "1", "２", "　1 ", "20260303", "5080303", "x", "9e999999", "1e3", "-1", "1" * 13,
    "123456789018", "あ:い", "ｶﾅ", "8002", "\x1c",
)  # fmt: skip


def fields(*parts: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(p) if isinstance(p, str) else p for p in parts)).map(",".join)


def receipts(odd: bool) -> st.SearchStrategy[str]:
    """Receipts that are plain, or, where ``odd``, of which some field is now and then anything."""

    def mostly(*values: str, strange: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
        rest = (*strange, *ODD) if odd else ()
        return st.sampled_from(values * (1_500 // len(values) if odd else 1) + rest)

    head = fields(
        "RE", mostly("1", "2", "3", "4"), mostly("1112", "1112", "1121", "1111"), common,
        "カナリア", mostly("1", "2", "3"), mostly("19500401", "3250401", "19991231"), "",
        mostly("", "", "20260227", "20260305"), ",,,", mostly("K1", "", "カルテ"), ",,,",
        mostly("", "", "", "S1"), ",,,,,,,,,,,,,,,,", mostly("カナリア　ハナコ", "", "ｶﾅﾘｱ"),
    )  # fmt: skip
    insurer = fields(
        "HO", mostly("06132013", "138057", "  138057", "39131156",
                     strange=("06132014", "０６１３２０１３") * 20),
        mostly("１２", "12", "", "あ－1"), mostly("３４５", "345", "ＡＢ", "00"), "1",
        mostly("100", "20", ""), "",
    )  # fmt: skip
    public = fields(
        "KO", mostly("12131025", strange=("12131023",) * 75), mostly("1234567", "7"), "", "1",
        mostly("77"),
    )  # fmt: skip
    branch = fields("SN", mostly("1", "2"), "01,,,", mostly("01", "", "00", "2", "０１"), ",")
    disease = fields(
        "SY", mostly("8833421", "0000999", "2500013"), mostly("20260105", "5080303", "19690101"),
        mostly("1", "2", "3", ""), mostly("", "8002", "20578002"), "名", mostly("01", ""), "",
    )  # fmt: skip
    days = st.integers(1, 28) | st.integers(1, 31) if odd else st.integers(1, 28)
    spots = st.dictionaries(days, mostly("1", "1", "2", "14"), max_size=3)

    def item(kind: str, first: int, *codes: str) -> st.SearchStrategy[str]:
        start = fields(
            kind, mostly("11", "12", "21", "60", "", ""), "1", mostly(*codes),
            mostly("1.50", "", "2"), mostly("100", "", "", "0"), "1",
        )  # fmt: skip

        def line(told: str, at: dict[int, str]) -> str:
            cells = told.split(",") + [""] * (first + 31 - 7)
            for day, count in at.items():
                cells[first - 1 + day] = count
            return ",".join(cells)

        return st.builds(line, start, spots)

    calendar = st.builds(
        lambda who, at: ",".join(["JD", who, *(at.get(day, "") for day in range(1, 32))]),
        mostly("1", "2"),
        spots,
    )
    service = item("SI", 13, "160000310", "111000110", "300000001")
    rare = ["HS,1,2,3,4,5", "SS,11", "SI,11", "CD,1", "BU,1"] if odd else []
    body = st.one_of(
        disease, service, service, item("IY", 13, "620000001"), item("TO", 17, "710000001"),
        calendar, public, fields("CO", mostly("22", ""), "1", "810000001", mostly("文")),
        st.sampled_from(["MF,1", "SJ,1,文", "ZZ,1"] * 9 + rare),
    )  # fmt: skip
    return st.tuples(
        head, st.one_of(insurer, insurer, insurer, public), st.one_of(branch, st.just("CO,,1")),
        st.lists(body, max_size=7).map("\r\n".join),
    ).map(lambda parts: "\r\n".join(part for part in parts if part))  # fmt: skip


def written(parts: Sequence[str]) -> str:
    return "\r\n".join(["IR,1,13,1,1234567,,X,202604,00,03", *parts, "GO,3,300,99", ""])


plain, odd = receipts(odd=False), receipts(odd=True)
border = st.sampled_from(
    ["IR,1,13,1,1234567,,X,202604,00,03", "IR,2,13,1,7654321,,X,202605,00,03", "IR,1",
     "IR,1,13,3,1234567,,X,202604", "MN,1", "GO,1,100,99", "1,2,3,RE,9", "1,,,IR,1", "xx", "", " ",
     "\x1a", "RE,1", "RE", "SI,1,1", "12"]
)  # fmt: skip
files = st.lists(st.one_of(*[plain] * 10, *[odd] * 5, border), min_size=3, max_size=14).map(written)
noise = st.one_of(
    *[st.just((0, 0, b""))] * 5,
    st.tuples(
        st.integers(0, 3_000),
        st.integers(0, 40),
        st.sampled_from([b"\0", b"\x81", b"\xff", b"\r", b"\n", b"\x1a", b"", b",", b"1"]),
    ),
)
blocks = st.sampled_from([400, 2_000, 1 << 20, 1 << 20])
pieces = st.sampled_from([7, 300, 1 << 20])
profiles = st.sampled_from(
    [Profile(), Profile(identifier="kana_birth_sex"), Profile(twelve_digits=True)]
)


def persons_of(part: Part) -> dict[str, str]:
    """Return who is behind each tag: tags are drawn, in whatever order."""
    persons = {tag: canonical(key).decode() for tag, key in part.identities}
    assert len(set(persons.values())) == len(persons), "a person has one tag"
    return persons


def named(rows: pa.Table, part: Part) -> list[dict[str, Any]]:
    persons = persons_of(part)
    return [{**row, "tag": persons[row["tag"]]} for row in rows.to_pylist()]


def told(one: Prepared) -> dict[str, Any]:
    """Return all that there is in a submission, with the person in the place of each tag."""
    return {
        **{name: getattr(one, name) for name in ("balance", "read", "set_aside", "dropped")},
        "findings": one.findings,
        "digests": one.file_digests,
        "parts": {
            body: {
                "tables": {name: named(rows, part) for name, rows in part.tables.items()},
                "identities": sorted(persons_of(part).values()),
                "balance": part.balance,
                "refusals": part.refusals,
                "withdrawn": part.withdrawn,
                "objects": part.objects,
            }
            for body, part in one.parts.items()
        },
    }


def outcome(
    paths: Sequence[Path], limits: Limits, profile: Profile, classes: Any
) -> dict[str, Any] | str:
    try:
        with prepare(
            paths, "uke", classes, KEY, TWO_BODIES, seeded(1), None, limits, profile
        ) as one:
            return told(one)
    except UserError as error:
        return str(error)


def classes(_format: str, record_type: str) -> list[tuple[str, str]]:
    """SI goes with two classes, TO under two kinds, SY nowhere."""
    return {
        "SI": [("receipt", "basic"), ("service", "additional")],
        "TO": [("device", "basic"), ("receipt", "basic")],
        "SY": [],
        "IY": [("receipt", "neither")],
    }.get(record_type, [("receipt", "basic")])


@given(
    files,
    noise,
    blocks,
    pieces,
    profiles,
    st.booleans(),
)
@quick
def test_batches_say_what_the_records_say_one_by_one(
    text: str, noise: tuple[int, int, bytes], block: int, piece: int, profile: Profile, plain: bool
) -> None:
    data = text.encode("cp932", "replace")
    place, gone, there = noise
    data = data[:place] + there + data[place + gone :]
    of = (lambda _format, _type: [("receipt", "basic")]) if plain else classes
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("a.UKE", "b.UKE")]
        paths[0].write_bytes(data)
        paths[1].write_bytes(data[: len(data) // 2])  # cut, and all of it there already
        one_by_one = outcome(paths, Limits(batch_units=NEVER, **SMALL), profile, of)
        batches = Limits(batch_units=1, block_bytes=block, piece_bytes=piece, **SMALL)
        assert outcome(paths, batches, profile, of) == one_by_one


@given(st.lists(plain, min_size=1, max_size=30), blocks, pieces, profiles, st.booleans())
@quick
def test_plain_receipts_are_read_in_batches_and_say_the_same(
    parts: list[str], block: int, piece: int, profile: Profile, all_alike: bool
) -> None:
    of = (lambda _format, _type: [("receipt", "basic")]) if all_alike else classes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.UKE"
        path.write_bytes(written(parts).encode("cp932"))
        assert in_batches(path) == len(parts)
        one_by_one = outcome([path], Limits(batch_units=NEVER), profile, of)
        batches = Limits(batch_units=1, block_bytes=block, piece_bytes=piece)
        assert outcome([path], batches, profile, of) == one_by_one


@pytest.mark.parametrize("seed", [3, 4])
def test_receipts_of_the_generator_are_read_in_batches_and_say_the_same(
    seed: int, tmp_path: Path
) -> None:
    """Of people made from a seed: each month's files of a hospital, and of a clinic."""
    providers = [ProviderSpec("1310000001", "第一病院"), ProviderSpec("1310000002", "第二医院")]
    half_a_year = Period.before(date(2026, 4, 1))
    made = generate(tmp_path, seed, 80, providers, half_a_year, ["uke"])
    for code, of_format in made.files.items():
        files = of_format["uke"]
        count = made.truth.records[code, "uke"]["RE"]
        assert sum(map(in_batches, files)) == count > 100
        one_by_one = outcome(files, Limits(batch_units=NEVER), Profile(), classes)
        assert outcome(files, Limits(batch_units=1), Profile(), classes) == one_by_one


def in_batches(path: Path) -> int:
    """Return how many receipts of a file are read in columns."""
    found = uke_batches.read(path, Limits(batch_units=1))
    return sum(len(one.units) for one in found if isinstance(one, Batch))
