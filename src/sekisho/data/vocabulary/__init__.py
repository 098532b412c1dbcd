"""Vocabularies: what a code means, from masters that the user supplies.

Rules kept: nothing licensed is shipped; a version follows from the digests of its files, so that
the same files give the same version; a version that was used is never changed.

It knows codes and concepts and never sees a record.
"""

from sekisho.data.vocabulary.sources import Master, Source, recognise
from sekisho.data.vocabulary.store import Manifest, VocabularyStore

__all__ = [
    "Manifest",
    "Master",
    "Source",
    "VocabularyStore",
    "recognise",
]
