"""A converter's desk: is there a signed reason for this conversion?

Rules this room keeps:

- no conversion without a reason of a known kind, signed by one who may sign it, in force today;
- both ends, the receiver and the number of persons are those of the reason, and ends that the
  framework or a permit allows; one reason is one batch;
- persons of several holders meet only where every body that decides on the data granted linkage;
- default deny: an unknown kind, domain, signer or pair of ends is refused, each by its own code.

It verifies no signature (`sekisho.exchange`), converts nothing (`sekisho.pseudonym`, which also
refuses identity elements and invalid encodings inside a batch), and keeps no state: what was seen
before is a fact handed in.
"""

from sekisho.control.conversion.desk import OF_A_PERMIT, RULES, USE_PADDING, Facts, check
from sekisho.control.conversion.domains import Place, place_of
from sekisho.control.conversion.reason import Grant, Kind, Reason, read_reason

__all__ = [
    "OF_A_PERMIT",
    "RULES",
    "USE_PADDING",
    "Facts",
    "Grant",
    "Kind",
    "Place",
    "Reason",
    "check",
    "place_of",
    "read_reason",
]
