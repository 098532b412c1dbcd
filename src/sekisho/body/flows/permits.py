"""A permit as a signed document: verified wherever it is shown, by whoever it is shown to."""

from __future__ import annotations

from dataclasses import dataclass

from sekisho.body.context import Body
from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, Domain, project_domain
from sekisho.control.conversion import Grant
from sekisho.control.review import Permit
from sekisho.exchange import jws
from sekisho.framework import CLASSES, Framework, Route, extract_route, lanes

PERMIT = "sekisho-permit"
REVOKED = "revoked"
"""Records of revocations, by permit and by the body that signed it."""


@dataclass(frozen=True)
class Granted:
    """A permit whose signatures were verified, with its text and who signed it."""

    permit: Permit
    text: str
    signers: frozenset[str]

    @property
    def id(self) -> str:
        return self.permit.id

    @property
    def application(self) -> str:
        return self.permit.application

    @property
    def environment(self) -> str:
        return self.permit.environment

    @property
    def environment_domain(self) -> Domain:
        return project_domain(self.permit.application, self.permit.environment)

    def minimum_list(self, registry: str) -> int:
        """Return the least number of a registry's list that an extract may rest on."""
        return next((m.number for m in self.permit.opt_out if m.registry == registry), 0)

    @property
    def digest(self) -> str:
        return digest(self.text.encode())

    def domains_of(self, body: str) -> frozenset[Domain]:
        """Return the project's domains that belong to ``body``."""
        ends = {domain for hop in self.permit.conversion_ends() for domain in hop}
        return frozenset(ends & {project_domain(self.application, body)})

    def grant(self, framework: Framework) -> Grant:
        """Return what a converter's desk reads of it; who must have signed the framework says."""
        permit = self.permit
        return Grant(
            id=permit.id,
            hops=frozenset(permit.conversion_ends()),
            max_rows=permit.part_conversions() | permit.enclave_conversions(),
            valid_until=permit.expires,
            deciders=frozenset(
                decider(framework, BodyId(part.holder), part.data_class) for part in permit.parts
            ),
            granted_by=frozenset(BodyId(signer) for signer in self.signers),
            linkage_granted_by=frozenset(
                BodyId(signer) for signer in (self.signers if permit.linkage else ())
            ),
            receiver_keys={key.body: key.digest for key in permit.receiver_keys},
            epoch=permit.epoch,
            enclave=None if permit.enclave is None else BodyId(permit.enclave.body),
        )


def way(framework: Framework, granted: Granted, holder: str, data_class: str) -> Route:
    """Return the bodies that one class of one holder's data pass on their way under a permit."""
    known = next(one for one in CLASSES if one == data_class)
    return extract_route(framework, BodyId(holder), known, BodyId(granted.environment))


def decider(framework: Framework, holder: BodyId, data_class: str) -> BodyId:
    """Return the body that decides on one class of one holder's data.

    Where several decide on the class each decides on its own data; else the one that decides.
    """
    deciding = [lane.body for lane in lanes(framework, CLASSES) if data_class in lane.classes]
    if not deciding:
        raise Refusal("permit.nobody-decides", "The framework lets nobody decide on these data.")
    return holder if holder in deciding else deciding[0]


def granted_permit(body: Body, text: str) -> Granted:
    """Return the permit in ``text``, which holds today.

    Raises:
        TamperError: a signature does not hold.
        Refusal: a lane that granted it has not signed; its time has not begun or is over; or it
            was taken back.
    """
    granted = read_permit(body, text)
    permit = granted.permit
    if not permit.starts <= body.today() <= permit.expires:
        raise Refusal(
            "permit.not-in-force",
            f"The permit holds from {permit.starts} to {permit.expires}.",
            next_step="ask for a renewal before it ends",
        )
    if is_revoked(body, permit):
        raise Refusal(
            "permit.revoked",
            "The permit was taken back by a body that had granted it.",
            rule="a permit holds until it ends or a granting lane takes it back",
            next_step="ask that body for its reasons, and apply again",
        )
    return granted


def is_revoked(body: Body, permit: Permit) -> bool:
    """Return whether one who granted the permit took it back; a stranger's word does nothing."""
    return any(body.store.get(REVOKED, f"{permit.id}:{by}") for by in permit.granted_by)


def read_permit(body: Body, text: str) -> Granted:
    """Return the permit in ``text``, whether it holds today or not.

    Raises:
        TamperError: a signature does not hold.
        Refusal: a lane that granted it has not signed.
    """
    signed = jws.verify_shared(text, body.directory.resolve, PERMIT)
    permit = Permit.from_payload(signed.payload)
    # By whom it had to be signed does not change when one of them leaves.
    fw = body.charter or body.framework
    needed = {decider(fw, BodyId(p.holder), p.data_class) for p in permit.parts}
    missing = (needed | set(permit.granted_by)) - set(signed.signers)
    if missing:
        raise Refusal(
            "permit.unsigned",
            f"The permit lacks the signature of {', '.join(sorted(missing))}.",
            rule="one signature per granting lane (design section 5, Who signs)",
        )
    return Granted(permit, text, frozenset(signed.signers))
