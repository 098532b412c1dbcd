"""Verifies an extract's receipt for an auditor, who learns nobody's choice by it.

What it needs are public parts: the directory's keys, the rule on lists, ledgers, and signed
documents. It shows that the receipt is the environment's and stands in its ledger; that the permit
is the one, signed by its lanes, and was in force; that each list was its registry's, in its ledger,
chained, fresh on the day and not overtaken by one of an earlier day; that each holder signed which
lists it applied; and that the oversight body compared the persons of the extract with these lists
and found no records in it that a choice of their person keeps out. Counts are all that it reads of
persons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sekisho.body.flows.countersign import COUNTERSIGNATURE
from sekisho.body.flows.extract import PART
from sekisho.body.flows.lists import LIST
from sekisho.body.flows.permits import PERMIT
from sekisho.body.flows.project import RECEIPT
from sekisho.common.canonical import digest
from sekisho.common.clock import JST
from sekisho.common.errors import Refusal, SekishoError, TamperError, UserError
from sekisho.control.ledger import (
    Entry,
    FolderFiles,
    TileReader,
    includes,
    leaf_hash,
    origin_of,
    read_checkpoint,
)
from sekisho.control.optout import ListHeader, OptOutRule, check_fresh_enough, read_rule
from sekisho.control.review import Permit
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Verified:
    """A receipt that holds: on what it rests. Counts, numbers and digests only."""

    application: str
    environment: str
    permit: str
    made_on: date
    lists: Mapping[str, int]
    holders: tuple[str, ...]
    included: int
    listed: int
    countersigned_by: str
    partly: int


def verify_receipt(token: bytes, folder: Path) -> Verified:
    """Verify a receipt against what the bodies below ``folder`` published.

    Args:
        token: the receipt as its environment signed it.
        folder: with ``directory.json``, ``rules/``, and ``bodies/<id>/ledger`` and ``documents``.

    Raises:
        TamperError: a signature, a ledger or what one document says of another does not hold.
        Refusal: a list was stale, the permit was not in force, or nobody countersigned.
    """
    if not (folder / "directory.json").is_file():
        raise UserError(
            "receipt.no-ledgers",
            f"{folder}: there is no directory.json.",
            next_step="name the folder with the bodies' public parts",
        )
    return _Audit(folder, Directory.read(folder / "directory.json"), token).run()


@dataclass(frozen=True)
class _Audit:
    folder: Path
    directory: Directory
    token: bytes

    def run(self) -> Verified:
        signed = jws.verify(self.token, self.directory.resolve, RECEIPT)
        receipt = signed.payload
        if signed.signer != receipt["environment"]:
            raise _differs("The receipt is not signed by the environment that it names.")
        own = digest(self.token)
        self._in_ledger(signed.signer, "extract.made", _has({"receipt": own}))
        permit = self._permit(receipt)
        rule = read_rule(self.folder / "rules" / "opt-out.toml")
        made_on = date.fromisoformat(receipt["made_on"])
        minimum = {one.registry: one.number for one in permit.opt_out}
        if set(receipt["lists"]) != set(minimum):
            raise _differs("The receipt does not rest on the lists that the permit names.")
        for registry, said in receipt["lists"].items():
            self._list(registry, said, minimum[registry], made_on, rule)
        holders = self._holders(receipt, permit, minimum)
        countersigned = self._countersignature(receipt, own)
        return Verified(
            application=receipt["application"],
            environment=signed.signer,
            permit=permit.id,
            made_on=made_on,
            lists={registry: said["number"] for registry, said in receipt["lists"].items()},
            holders=holders,
            included=receipt["counts"]["included"],
            listed=countersigned["listed"],
            countersigned_by=self._oversight(),
            partly=countersigned["partly"],
        )

    def _permit(self, receipt: Json) -> Permit:
        file = self._documents(receipt["environment"]) / f"permits/{receipt['application']}.json"
        text = _read(file)
        if digest(text) != receipt["permit"]:
            raise _differs("The receipt was made under another permit than the one that is there.")
        signed = jws.verify_shared(text, self.directory.resolve, PERMIT)
        permit = Permit.from_payload(signed.payload)
        if set(permit.granted_by) - set(signed.signers):
            raise _differs("The permit lacks the signature of a lane that granted it.")
        ends = (permit.application, permit.environment)
        if ends != (receipt["application"], receipt["environment"]):
            raise _differs("The permit is for another application or environment.")
        if not permit.starts <= date.fromisoformat(receipt["made_on"]) <= permit.expires:
            raise Refusal(
                "receipt.permit-not-in-force",
                "The extract was made on a day on which its permit did not hold.",
                rule="an extract is made under a permit in force",
            )
        for signer in signed.signers:
            self._in_ledger(signer, "permit.issued", _has({"permit": permit.id}))
        return permit

    def _list(
        self, registry: str, said: Json, minimum: int, made_on: date, rule: OptOutRule
    ) -> None:
        """A list must be the registry's own, in its ledger, chained, and fresh on the day."""
        header = self._header(registry, said["header"])
        if (header.number, header.digest) != (said["number"], said["digest"]):
            raise _differs("The receipt names another list than the one whose header it carries.")
        self._in_ledger(registry, "optout.list", _has({"digest": header.digest}))
        if header.number > 1:
            before = {"number": header.number - 1, "digest": header.previous}
            self._in_ledger(registry, "optout.list", _has(before))
        check_fresh_enough(header, minimum, made_on, rule)
        for entry in self._entries(registry):
            newer = entry.kind == "optout.list" and entry.body["number"] > header.number
            if newer and entry.at.astimezone(JST).date() < made_on:
                raise Refusal(
                    "receipt.list-overtaken",
                    f"{registry} had issued a newer list before the day of the extract.",
                    rule=f"{rule.id} {rule.version}: an extract rests on the newest list",
                    next_step="make the extract again",
                )

    def _header(self, registry: str, token: str) -> ListHeader:
        signed = jws.verify(token, self.directory.resolve, LIST)
        header = ListHeader.from_payload(signed.payload)
        if not signed.signer == header.registry == registry:
            raise _differs("A list is not signed by the registry that the receipt names.")
        return header

    def _holders(
        self, receipt: Json, permit: Permit, minimum: Mapping[str, int]
    ) -> tuple[str, ...]:
        """Each holder signed for the same permit which lists it applied before it sent a part."""
        wanted = {f"{part.holder}:{part.data_class}" for part in permit.parts}
        if set(receipt["parts"]) != wanted:
            raise _differs("The receipt does not have the parts that the permit names.")
        for name, part in receipt["parts"].items():
            holder, _, data_class = name.partition(":")
            signed = jws.verify(part["statement"], self.directory.resolve, PART)
            said = signed.payload
            same = {key: said[key] for key in ("plan", "snapshot", "lists", "dropped", "persons")}
            if (
                signed.signer != holder
                or (said["holder"], said["data_class"]) != (holder, data_class)
                or said["permit"] != receipt["permit"]
                or any(part[key] != value for key, value in same.items())
            ):
                raise _differs(f"What {holder} signed of its part is not what the receipt says.")
            if any(one["number"] < minimum.get(r, 0) for r, one in said["lists"].items()):
                raise Refusal(
                    "receipt.holder-list-old",
                    f"{holder} applied an older list than the permit allows.",
                    rule="a permit binds a least number of the opt-out list",
                )
            sent = {"permit": permit.id, "plan": said["plan"]}
            self._in_ledger(holder, "extract.sent", _has(sent))
        return tuple(sorted({name.partition(":")[0] for name in wanted}))

    def _countersignature(self, receipt: Json, own: str) -> Json:
        oversight = self._oversight()
        name = f"countersignatures/{receipt['application']}.jws"
        file = self._documents(oversight) / name
        if not file.is_file():
            raise Refusal(
                "receipt.not-countersigned",
                "The oversight body has not countersigned this receipt.",
                rule="a receipt is countersigned when nobody is in the extract who must not be",
                next_step="ask the oversight body what it found",
            )
        token = _read(file)
        signed = jws.verify(token, self.directory.resolve, COUNTERSIGNATURE)
        said = signed.payload
        lists = {
            registry: {"number": one["number"], "digest": one["digest"]}
            for registry, one in receipt["lists"].items()
        }
        fits = (
            signed.signer == oversight
            and said["receipt"] == own
            and said["permit"] == receipt["permit"]
            and said["lists"] == lists
            and said["included"] == receipt["counts"]["included"]
            and said["opted_out_included"] == 0
        )
        if not fits:
            raise _differs("What the oversight body countersigned is not this receipt.")
        made = digest(token)
        self._in_ledger(oversight, "extract.countersigned", _has({"digest": made}))
        return said

    def _oversight(self) -> str:
        return next(peer.id for peer in self.directory if "oversight" in peer.roles)

    def _documents(self, body: str) -> Path:
        return self.folder / "bodies" / body / "documents"

    def _reader(self, body: str) -> TileReader:
        return TileReader(FolderFiles(self.folder / "bodies" / body / "ledger"))

    def _entries(self, body: str) -> Iterator[Entry]:
        return map(Entry.from_bytes, self._reader(body).entries())

    def _in_ledger(self, body: str, kind: str, fits: Callable[[Json], bool]) -> None:
        """Require an entry, and the proof that it stands under the body's signed checkpoint."""
        folder = self.folder / "bodies" / body / "ledger"
        note = _read(folder / "checkpoint")
        head = read_checkpoint(note, origin_of(body), self.directory.find(body).key).head
        reader = self._reader(body)
        for index, data in enumerate(reader.entries()):
            entry = Entry.from_bytes(data)
            if entry.kind == kind and fits(entry.body):
                proof = reader.inclusion(index, head.size)
                if includes(leaf_hash(data), index, head.size, proof, head.root):
                    return
        raise TamperError(
            "receipt.not-in-ledger",
            f"The ledger of {body} has no entry {kind} that belongs to the receipt.",
            rule="promise 6: what is not in the ledger did not happen",
            next_step="ask the body for its ledger, and compare it with its witness's",
        )


def _has(wanted: Json) -> Callable[[Json], bool]:
    return lambda said: wanted.items() <= said.items()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TamperError(
            "receipt.document-missing",
            f"{file.parent.name}/{file.name} is missing.",
            next_step="ask the body for it: what it signed it keeps",
        ) from error


def _differs(what: str) -> SekishoError:
    return TamperError(
        "receipt.differs",
        what,
        rule="an extract's receipt binds permit, lists, parts and countersignature by digest",
        next_step="take the receipt from the environment, and the rest from those who signed it",
    )
