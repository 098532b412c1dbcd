"""People and provider files made from a seed, so that a rehearsal needs nothing else.

Rules this room keeps:

- One seed, the same bytes: integers only, numbers by counting, no clock, no global state. Person
  ``i`` depends on (seed, i) alone, so that 200 people are the first of 2,000.
- All formats are written from one event log: the same fact arrives by several routes.
- Every figure and code names its source; what is assumed says so.

It is no model of any disease, of any hospital or of anybody: whatever a study finds here is what
was put in. Readers are proved on foreign files first, never on these alone. Not yet: inpatients,
spelling variants of one name in one day's files, planted faults.
"""

from sekisho.synthetic.care import Period, Visit, visits_of
from sekisho.synthetic.generate import FORMATS, Generated, Truth, generate
from sekisho.synthetic.insurance import Insurance
from sekisho.synthetic.person import Person, person_of
from sekisho.synthetic.provider import ProviderSpec

__all__ = [
    "FORMATS",
    "Generated",
    "Insurance",
    "Period",
    "Person",
    "ProviderSpec",
    "Truth",
    "Visit",
    "generate",
    "person_of",
    "visits_of",
]
