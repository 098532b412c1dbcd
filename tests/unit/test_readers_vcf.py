"""Variants that nobody here wrote, and tricks: each person's leave alone, without the names."""

from __future__ import annotations

import gzip
import warnings
from io import BytesIO, StringIO
from pathlib import Path

import pytest
import vcfpy

from sekisho.common.errors import UserError
from sekisho.common.randomness import seeded
from sekisho.framework.kinds import load_kinds
from sekisho.provider import Limits, Note, Outcome, Prepared, Profile, Record, prepare
from sekisho.provider.objects import write
from sekisho.provider.readers import vcf
from sekisho.provider.records import content_of
from sekisho.pseudonym.identifiers import parse_spec
from submissions import KEY, SOUTH, even

HEAD = """##fileformat=VCFv4.2
##fileDate=20260310
##source=caller-2.1
##reference=file:///home/canary/GRCh38/Canaryfamily.fa
##contig=<ID=chr1,length=248956422,assembly=GRCh38,URL=ftp://canary.example/chr1>
##CanaryCommand=<ID=call,CommandLine="call --input /home/canary/Canaryfamily.bam">
##SAMPLE=<ID=Canary01,Description="Canaryfamily">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Canarytext">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Canarytext">
##FORMAT=<ID=XX,Number=1,Type=String,Description="Canarytext">
"""
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tCanary01\tCanary02\n"
BODY = (
    "chr1\t100\trs1\tA\tC\t9.5\tPASS\tAC=3;END=101;NOTE=Canarytext\tGT:XX\t0/1:Canary\t1/1:x\n"
    "chr1\t200\tcanary-id\tA\tC\t.\tPASS\tAC=1\tGT\t0/0\t0/1\n"
)


def file(folder: Path, head: str = HEAD, columns: str = COLUMNS, body: str = BODY) -> Path:
    path = folder / "Canaryname.vcf"
    path.write_text(head + columns + body)
    return path


def records(path: Path, limits: Limits | None = None) -> list[Record]:
    return [one for one in vcf.read(path, limits or Limits()) if isinstance(one, Record)]


def notes(path: Path, limits: Limits | None = None) -> list[tuple[int, str]]:
    found = vcf.read(path, limits or Limits())
    return [(one.line, one.code) for one in found if isinstance(one, Note)]


def written(record: Record) -> str:
    target = BytesIO()
    write(record.objects[0], lambda what, local: "f" * 32, target)
    return target.getvalue().decode()


def tabbed(text: str) -> str:
    """Return the file with tabs: one of them has spaces, which vcfpy does not read."""
    lines = text.splitlines(keepends=True)
    return "".join(
        line if line.startswith("##") or "\t" in line else "\t".join(line.split()) + "\n"
        for line in lines
    )


def sent(path: Path, root: Path, *samples: str) -> Prepared:
    kinds = load_kinds(root / "rules" / "data-kinds.toml")
    mapping = {
        name: parse_spec({"insured": f"06132013:1:{number}:01"})
        for number, name in enumerate(samples, 1)
    }
    return prepare(
        [path],
        "vcf",
        kinds.placed,
        KEY,
        {"hard": SOUTH},
        seeded(1),
        profile=Profile(institution="1310000001", mapping=mapping),
    )


@pytest.mark.parametrize("name", ["gatk.vcf", "sample.vcf", "example-4.2.vcf"])
def test_foreign_variants_are_counted_and_split_as_vcfpy_reads_them(
    testdata: Path, name: str
) -> None:
    path = testdata / "vcf" / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = vcfpy.Reader.from_stream(StringIO(tabbed(path.read_text())))
        samples = reader.header.samples.names
        said = list(reader)
        made = records(path)
        assert [one.patient for one in made] == [f"urn:sekisho:sample|{s}" for s in samples]
        assert notes(path) == []
        for record, sample in zip(made, samples, strict=True):
            carried = [
                v
                for v in said
                if any(a not in (0, None) for a in v.call_for_sample[sample].gt_alleles)
            ]
            assert content_of(record.rows[0])["variant_count"] == len(carried)
            back = vcfpy.Reader.from_stream(StringIO(written(record)))
            assert back.header.samples.names == ["f" * 32]
            for before, after in zip(carried, back, strict=True):
                places = [
                    (v.CHROM, v.POS, v.REF, [a.value for a in v.ALT]) for v in (before, after)
                ]
                assert places[0] == places[1]
                calls = before.call_for_sample[sample], after.call_for_sample["f" * 32]
                assert calls[0].data.get("GT") == calls[1].data.get("GT")
    assert len(said) >= 8


def test_what_a_file_says_of_itself_is_told(testdata: Path) -> None:
    said = {}
    for name in ("gatk.vcf", "sample.vcf"):
        told = content_of(records(testdata / "vcf" / name)[0].rows[0])
        said[name] = tuple(value for column, value in told.items() if column != "variant_count")
    assert said == {
        "gatk.vcf": (None, "hg19", None),
        "sample.vcf": (14_461, "NCBI36", "myImputationProgramV3.1"),
    }


def test_a_file_of_sites_is_set_aside(testdata: Path, root: Path) -> None:
    one = sent(testdata / "vcf" / "1kg.sites.vcf", root)
    assert one.set_aside == {("genome", "no-sample"): 1}
    even(one)


def test_names_paths_texts_and_counts_of_others_stay(tmp_path: Path) -> None:
    for record in records(file(tmp_path)):
        text = written(record)
        assert "anary" not in text
        assert "AC=" not in text
        assert "ftp:" not in text
        assert "END=101" in text
        assert "assembly=GRCh38" in text


def test_a_person_gets_what_that_person_carries_and_nothing_of_the_others(
    tmp_path: Path, root: Path
) -> None:
    path = file(tmp_path)
    first, second = (
        [line.split("\t")[1::8] for line in written(one).splitlines() if line[0] != "#"]
        for one in records(path)
    )
    assert first == [["100", "0/1"]]
    assert second == [["100", "1/1"], ["200", "0/1"]]
    one = sent(path, root, "Canary01", "Canary02")
    rows = one.parts[SOUTH].tables["genomic_test"].to_pylist()
    assert sorted(row["variant_count"] for row in rows) == [1, 2]
    assert len({row["tag"] for row in rows}) == 2
    assert "anary" not in str(one.parts[SOUTH].tables)


def test_a_file_of_one_person_keeps_the_calls_of_the_reference(tmp_path: Path) -> None:
    alone = [line.rsplit("\t", 1)[0] + "\n" for line in (COLUMNS, *BODY.splitlines())]
    (record,) = records(file(tmp_path, columns=alone[0], body="".join(alone[1:])))
    assert [line.split("\t")[-1] for line in written(record).splitlines()[-2:]] == ["0/1", "0/0"]


def test_a_sample_without_a_mapping_ties_to_nobody(tmp_path: Path, root: Path) -> None:
    one = sent(file(tmp_path), root, "Canary01")
    assert [(f.line, f.code) for f in one.findings] == [(11, "person.no-identifier")]
    assert len(one.parts[SOUTH].identities) == 1
    even(one)
    with pytest.raises(UserError, match=r"person\.no-identifier"):
        sent(file(tmp_path), root)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("chr1\t100\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\n", "vcf.line"),
        ("chr1\tCanary\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\t0/1\n", "vcf.line"),
        ("chr1\t1\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\tCanary name\n", "vcf.line"),
        ("chr1\t1\t.\tA\tC\t.\tPASS\t.\tGT\tCanary\t0/1\n", "vcf.line"),
        ("=cmd|'/C calc'!A0\t1\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\t0/1\n", "vcf.line"),
        ("chr1\t1\t.\tA\tC\t.\tPASS\t.\tGT\t0/1\t\0\n", "vcf.line"),
        ("chr1\t1\t.\t" + "A" * 9_000 + "\tC\t.\tPASS\t.\tGT\t0/1\t0/1\n", "line.too-long"),
    ],
)
def test_a_bad_line_is_told_and_left_out(tmp_path: Path, line: str, code: str) -> None:
    path = file(tmp_path, body=line + BODY)
    limits = Limits(line_bytes=5_000)
    assert notes(path, limits) == [(12, code)]
    made = records(path, limits)
    assert [content_of(one.rows[0])["variant_count"] for one in made] == [1, 2]


@pytest.mark.parametrize(
    ("head", "columns", "code"),
    [
        ("", COLUMNS, "vcf.no-vcf"),
        ("##fileformat=BCF\n", COLUMNS, "vcf.no-vcf"),
        (HEAD, "chr1\t1\n", "vcf.header"),
        (HEAD, COLUMNS.replace("02", "01"), "vcf.header"),
        (HEAD, COLUMNS.replace("\tFORMAT", ""), "vcf.header"),
        (
            HEAD,
            COLUMNS[:-1] + "".join(f"\ts{n}" for n in range(1_000)) + "\n",
            "vcf.too-many-samples",
        ),
        (HEAD + "##x=" + "y" * 9_000 + "\n", COLUMNS, "line.too-long"),
        (HEAD + "##x=\0\n", COLUMNS, "line.nul"),
    ],
)
def test_a_bad_header_leaves_the_file_at_home(
    tmp_path: Path, head: str, columns: str, code: str
) -> None:
    limits = Limits(line_bytes=8_500)
    (one,) = records(file(tmp_path, head, columns), limits)
    assert (one.outcome, one.code) == (Outcome.REFUSED, code)


def test_a_cut_file_sends_nobody_with_half_of_their_variants(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf.gz"
    path.write_bytes(gzip.compress((HEAD + COLUMNS + BODY * 500).encode())[:-50])
    assert {one.code for one in records(path)} == {"vcf.truncated"}
    path.write_bytes(
        b"".join(gzip.compress(part.encode()) for part in (HEAD + COLUMNS, BODY, BODY))
    )
    assert [content_of(one.rows[0])["variant_count"] for one in records(path)] == [2, 4]
