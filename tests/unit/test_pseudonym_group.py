"""The group against the published vectors of RFC 9496 and RFC 9497."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sekisho.common.errors import Refusal
from sekisho.common.randomness import seeded
from sekisho.pseudonym import group
from sekisho.pseudonym.group import Element, Scalar


@pytest.fixture(scope="module")
def ristretto(testdata: Path) -> Any:
    return json.loads((testdata / "vectors" / "rfc9496-ristretto255.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def oprf(testdata: Path) -> list[Any]:
    suites = json.loads((testdata / "vectors" / "rfc9497-oprf-allVectors.json").read_text("utf-8"))
    return [suite for suite in suites if suite["identifier"] == "ristretto255-SHA512"]


def test_multiples_of_the_generator_are_those_of_rfc_9496(ristretto: Any) -> None:
    multiples = [bytes.fromhex(value) for value in ristretto["multiples_of_generator"]]
    assert len(multiples) == 16
    assert multiples[0] == group.IDENTITY
    for factor, expected in enumerate(multiples[1:], start=1):
        assert group.multiply_base(Scalar(factor.to_bytes(32, "little"))) == expected
    for one, two in pairwise(multiples[1:]):
        assert group.add(Element(one), Element(multiples[1])) == two
        assert group.subtract(Element(two), Element(multiples[1])) == one


def test_every_invalid_encoding_of_rfc_9496_is_refused(ristretto: Any) -> None:
    invalid = [bytes.fromhex(case["hex"]) for case in ristretto["invalid_encodings"]]
    assert len(invalid) == 29
    good = group.multiply_base(group.ONE)
    for raw in invalid:
        with pytest.raises(Refusal) as decoded:
            group.decode_element(raw)
        assert decoded.value.code == "element.invalid"
        for operation in (
            lambda raw=raw: group.multiply(group.ONE, Element(raw)),
            lambda raw=raw: group.add(good, Element(raw)),
            lambda raw=raw: group.subtract(Element(raw), good),
        ):
            with pytest.raises(Refusal) as refused:
                operation()
            assert refused.value.code == "element.invalid"


def test_one_way_map_is_that_of_rfc_9496(ristretto: Any) -> None:
    cases = ristretto["element_derivation"]
    assert len(cases) == 11
    for case in cases:
        uniform, expected = (bytes.fromhex(value) for value in _pair(case))
        assert group.random_element(lambda length, uniform=uniform: uniform[:length]) == expected


def test_hash_to_group_gives_the_blinded_elements_of_rfc_9497_in_all_modes(
    oprf: list[Any],
) -> None:
    seen = 0
    for suite in oprf:
        dst = bytes.fromhex(suite["groupDST"])
        for vector in suite["vectors"]:
            for data, blind, blinded in _rows(vector, "Input", "Blind", "BlindedElement"):
                product = group.multiply(group.decode_scalar(blind), group.hash_to_group(data, dst))
                assert product == blinded
                seen += 1
    assert {suite["mode"] for suite in oprf} == {0, 1, 2}
    assert seen == 10


def test_evaluation_and_output_of_rfc_9497_mode_0(oprf: list[Any]) -> None:
    (suite,) = (suite for suite in oprf if suite["mode"] == 0)
    secret = group.decode_scalar(bytes.fromhex(suite["skSm"]))
    for vector in suite["vectors"]:
        for data, blind, blinded, evaluated, output in _rows(
            vector, "Input", "Blind", "BlindedElement", "EvaluationElement", "Output"
        ):
            evaluation = group.multiply(secret, group.decode_element(blinded))
            assert evaluation == evaluated
            unblinded = group.multiply(group.scalar_inverse(Scalar(blind)), evaluation)
            framed = len(data).to_bytes(2, "big") + data
            framed += len(unblinded).to_bytes(2, "big") + unblinded + b"Finalize"
            assert hashlib.sha512(framed).digest() == output


def test_the_project_hashes_under_its_own_tag() -> None:
    assert group.hash_to_group(b"x") == group.hash_to_group(b"x", group.DST)
    assert group.hash_to_group(b"x") != group.hash_to_group(b"x", b"another")
    for length in (0, 256):
        with pytest.raises(ValueError, match="domain separation tag"):
            group.hash_to_group(b"x", bytes(length))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (bytes(32), "element.identity"),
        (b"", "element.length"),
        (bytes(31), "element.length"),
        (bytes(33), "element.length"),
        (b"\xff" * 32, "element.invalid"),
    ],
)
def test_bytes_that_are_no_element_are_refused_by_name(raw: bytes, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        group.decode_element(raw)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "raw",
    [b"", bytes(31), bytes(32), b"\xff" * 32, group.ORDER.to_bytes(32, "little")],
)
def test_bytes_that_are_no_reduced_scalar_are_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        group.decode_scalar(raw)
    assert refused.value.code == "scalar.invalid"


def test_a_sum_that_is_the_identity_is_refused() -> None:
    element = group.random_element(seeded("sum"))
    minus = (group.ORDER - 1).to_bytes(32, "little")
    negative = group.multiply(Scalar(minus), element)
    for operation in (group.subtract, group.add):
        with pytest.raises(Refusal) as refused:
            operation(element, element if operation is group.subtract else negative)
        assert refused.value.code == "element.identity"


def test_zero_is_never_drawn() -> None:
    answers = iter([bytes(64), group.ORDER.to_bytes(64, "little"), b"\x01" + bytes(63)])
    assert group.random_scalar(lambda _: next(answers)) == group.ONE


def _rows(vector: dict[str, Any], *names: str) -> list[tuple[bytes, ...]]:
    """Split a vector, whose fields are lists with commas where Batch is 2, into its rows."""
    columns = [[bytes.fromhex(part) for part in vector[name].split(",")] for name in names]
    assert {len(column) for column in columns} == {vector["Batch"]}
    return list(zip(*columns, strict=True))


def _pair(case: Any) -> tuple[str, str]:
    return case["input"], case["output"]
