"""Pull: the provider's program asks the hospital's own FHIR server for what changed.

It is a client of FHIR Bulk Data Access (https://hl7.org/fhir/uv/bulkdata/), written to the
specification: kick-off, polling, manifest, files, deletions, errors; sign-in by SMART Backend
Services. Every step is on the disk before the next, so that a program that is ended goes on.

Rules kept: the next export begins at the server's own ``transactionTime``, and only when nothing of
the last one was missing; a token goes to the hosts that the configuration names, and nowhere else;
no address, which may name a patient, is written into a log.
"""

from sekisho.provider.pull.config import Source, read_sources
from sekisho.provider.pull.export import Export, Report
from sekisho.provider.pull.running import Pulled, Pulls, wanted_hours
from sekisho.provider.pull.web import Web

__all__ = ["Export", "Pulled", "Pulls", "Report", "Source", "Web", "read_sources", "wanted_hours"]
