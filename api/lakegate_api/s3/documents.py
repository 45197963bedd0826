"""XML documents of the S3 API: written by hand, read with bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from lakegate_api.s3.failures import S3Refusal

MAX_BODY_BYTES = 8 << 20

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

Content = str | int | bool | Iterable["Element"]
Element = tuple[str, Content]


def document(root: str, content: Iterable[Element], *, namespace: bool = True) -> bytes:
    """Writes a document of nested (name, content) pairs; content is text, a number, a truth value or more pairs."""
    attribute = f' xmlns="{_NAMESPACE}"' if namespace else ""
    return f"{_HEAD}<{root}{attribute}>{''.join(_elements(content))}</{root}>".encode("utf-8", "replace")


def _elements(content: Iterable[Element]) -> Iterator[str]:
    for name, inner in content:
        if isinstance(inner, bool):
            text = "true" if inner else "false"
        elif isinstance(inner, int):
            text = str(inner)
        elif isinstance(inner, str):
            text = escape(inner, {"\r": "&#13;"})
        else:
            text = "".join(_elements(inner))
        yield f"<{name}>{text}</{name}>"


def parse(body: bytes, root: str) -> ElementTree.Element:
    """Reads a document whose root has this name; namespaces are dropped. Raises S3Refusal(MalformedXML)."""
    if b"<!" in body:
        raise malformed("holds a declaration; entities and document types are not read")
    try:
        found = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise malformed(f"can't be read: {error}") from None
    for element in found.iter():
        element.tag = element.tag.rpartition("}")[2]
    if found.tag != root:
        raise malformed(f"is a {found.tag[:40]!r}, and not a {root!r}")
    return found


def text_of(element: ElementTree.Element, name: str) -> str | None:
    """Returns the text of a child; None where there is no such child."""
    child = element.find(name)
    return None if child is None else child.text or ""


def malformed(why: str) -> S3Refusal:
    """Makes the refusal of a document."""
    return S3Refusal("MalformedXML", f"The XML body {why}.", "Send it as the S3 API describes.")


def iso_time(milliseconds: int) -> str:
    """Writes a time as S3's documents have it."""
    time = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
