"""One scenario in every framework, laid side by side: figures, what was released, what was lost.

Rules this room keeps:

- It recommends nothing, ranks nothing and colours no winner: frameworks stand in the order of
  their files, and all bars have one colour.
- A claim of the memo stands beside its figure whether or not the two agree; where the memo is
  silent, or no run could show it, it says so.
- What could not be run, was left out or was not measured is listed, never dropped.
- Bodies that Sekisho adds are counted apart from those that the memo knows.
- A page loads nothing from anywhere and runs no script.

It starts no body itself (`sekisho.rehearsal` does), reads no person's data, and judges nothing.
"""

from sekisho.comparison.beside import ANSWERS, Answer, Beside, beside
from sekisho.comparison.compared import Comparison, Omission
from sekisho.comparison.figures import FIGURES, Figure, Value
from sekisho.comparison.paper import chromium, print_pdf
from sekisho.comparison.remains import VARIANTS, Run, Variant, read_run
from sekisho.comparison.running import compare, from_reports
from sekisho.comparison.sheet import Measured, measured_from, sheet

__all__ = [
    "ANSWERS",
    "FIGURES",
    "VARIANTS",
    "Answer",
    "Beside",
    "Comparison",
    "Figure",
    "Measured",
    "Omission",
    "Run",
    "Value",
    "Variant",
    "beside",
    "chromium",
    "compare",
    "from_reports",
    "measured_from",
    "print_pdf",
    "read_run",
    "sheet",
]
