"""What a provider can tell a linkage enclave of its persons, format by format."""

from __future__ import annotations

import unicodedata
from collections import Counter
from datetime import date
from pathlib import Path

from sekisho.provider.enclave import patients
from sekisho.provider.profile import Profile
from sekisho.synthetic import Period, ProviderSpec, generate, person_of

SEED, FIRST = 7, "1310000001"
OTHER = ("family", "given", "postcode", "address", "phone")


def test_a_foreign_files_receipts_tell_names_in_kana_birth_and_sex(testdata: Path) -> None:
    """Counted in the file's own lines; receipts of one number, birth and sex are one person, who
    is called as in the last."""
    file = testdata / "uke-receiptisan" / "RECEIPTC_GAIRAI_SAMPLE.UKE"
    last: dict[tuple[str, ...], tuple[str, str, str]] = {}
    person = ("", "", "")
    for line in (line.split(",") for line in file.read_text("cp932").splitlines()):
        if line[0] == "RE":
            person, payer = (line[36], line[6], {"1": "male", "2": "female"}[line[5]]), ""
        elif line[0] in ("HO", "KO") and not payer:
            payer = unicodedata.normalize("NFKC", ",".join(line[1 : 4 if line[0] == "HO" else 3]))
            last[payer, *person[1:]] = person
    found = [one.fields for one in patients([("uke", [file])], Profile())]
    told = [
        (it["family_kana"], (it["birth_date"] or "").replace("-", ""), it["sex"]) for it in found
    ]
    assert Counter(told) == Counter(last.values())
    assert all(it["given_kana"] is None for it in found), "this file divides no name"
    assert all(it[name] is None for it in found for name in OTHER)


def test_receipts_tell_of_the_same_persons_what_their_register_tells(tmp_path: Path) -> None:
    """Of people made from a seed: divided names, as the specification has them."""
    people = [person_of(SEED, number) for number in range(60)]
    year = Period.before(date(2026, 4, 1))
    made = generate(tmp_path, SEED, len(people), [ProviderSpec(FIRST, "第一病院")], year, ["uke"])
    files = made.files[FIRST]["uke"]
    found = [one.fields for one in patients([("uke", files)], Profile())]
    known = {
        (*called.kana.split(), one.birth.isoformat(), one.sex)
        for one in people
        for called in one.names
    }
    told = {(it["family_kana"], it["given_kana"], it["birth_date"], it["sex"]) for it in found}
    assert told
    assert told <= known
