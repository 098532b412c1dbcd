"""Catalogue: what data there are, what each column is, and on what terms they may be used.

Rules it keeps:
- a column without a disclosure role cannot be asked for, because it cannot exist (`sekisho.cdm`);
- a table or column that does not exist is refused by name, with those that do;
- the publication rules that outputs must meet belong to the data set, never to the body that
  holds it, so the same study is checked alike everywhere;
- every term of use names its source.

It does not know how many records anyone holds, and it never sees one.
"""

from sekisho.control.catalogue.columns import TableColumns, check_columns
from sekisho.control.catalogue.datasets import (
    Catalogue,
    DataSet,
    Term,
    Title,
    read_catalogue,
    rule_sets,
    schema,
)
from sekisho.control.catalogue.describe import describe

__all__ = [
    "Catalogue",
    "DataSet",
    "TableColumns",
    "Term",
    "Title",
    "check_columns",
    "describe",
    "read_catalogue",
    "rule_sets",
    "schema",
]
