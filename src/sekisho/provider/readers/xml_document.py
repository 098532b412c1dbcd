"""XML that strangers wrote, as a tree: no DTD, no entities, UTF-8 only, bounded by the caller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from sekisho.provider.readers.fhir import check_text
from sekisho.provider.records import Unreadable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def parse(data: bytes) -> Element:
    """Return the root element.

    Raises:
        Unreadable: not UTF-8, not XML, or with a document type or entities of its own.
    """
    check_text(data)
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise Unreadable("xml.forbidden") from None
    except (ParseError, ValueError, LookupError, RecursionError):
        raise Unreadable("xml.malformed") from None
    return root


def local_type(element: Element) -> str:
    """Return ``xsi:type`` without its prefix."""
    return element.get(XSI_TYPE, "").rpartition(":")[2]


def attributes(root: Element, path: str, name: str, namespaces: dict[str, str]) -> Iterator[str]:
    """Yield an attribute of every element at ``path`` that has it, stripped."""
    for element in root.iterfind(path, namespaces):
        text = (element.get(name) or "").strip()
        if text:
            yield text
