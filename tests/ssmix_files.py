"""A storage of SS-MIX2 for tests: message files in their folders, written small."""

from __future__ import annotations

from pathlib import Path

from sekisho.common.ids import BodyId
from sekisho.common.randomness import seeded
from sekisho.framework.kinds import DataKinds, load_kinds
from sekisho.provider import Limits, Prepared, Profile, Withheld, prepare
from submissions import KEY, TWO_BODIES

INSTITUTION = "1310000001"
_TYPES = {"PPR-01": "PPR^ZD1", "OMP-01": "RDE^O11", "OML-11": "OUL^R22", "ADT-22": "ADT^A01"}


def message(
    root: Path,
    kind: str,
    *segments: str,
    patient: str = "0000123",
    day: str = "20260310",
    order: str = "000000000000001",
    moment: str = "20260310120000000",
    condition: str = "1",
    pid: str | None = None,
    born: str = "19500401",
    msh9: str | None = None,
) -> Path:
    """Write one message file; ``pid`` is what PID-3 says, the folder's patient unless given."""
    folder = root / patient[:3] / patient[3:6] / patient / day / kind
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{patient}_{day}_{kind}_{order}_{moment}_01_{condition}"
    lines = [
        f"MSH|^~\\&|HIS|SEND|GW|RCV|{moment[:14]}||{msh9 or _TYPES.get(kind, 'ADT^A08')}"
        "|1|P|2.5||||||~ISO IR87||ISO2022-1994|SS-MIX2_1.20",
        f"PID|0001||{patient if pid is None else pid}^^^^PI||金糸雀^花子^^^^^L^I"
        f"~カナリア^ハナコ^^^^^L^P||{born}|F",
        *segments,
    ]
    path.write_bytes("".join(f"{line}\r" for line in lines).encode("iso2022_jp"))
    return path


def sent(
    *paths: Path, kinds: Path, profile: Profile | None = None, limits: Limits | None = None
) -> Prepared:
    """Prepare a storage for two bodies, classified by the shipped kinds of data."""
    known: DataKinds = load_kinds(kinds)
    to: dict[str, BodyId | Withheld] = TWO_BODIES
    return prepare(
        paths,
        "ss-mix2",
        known.placed,
        KEY,
        to,
        seeded(1),
        limits=limits,
        profile=profile or Profile(institution=INSTITUTION),
    )
