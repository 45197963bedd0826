"""Errors as S3 clients read them: an XML document, with the next step in its message."""

from __future__ import annotations

from lakegate.errors import ErrorKind, LakegateError
from lakegate_api.errors import answer_of
from lakegate_api.s3.answers import Answer
from lakegate_api.s3.documents import document
from lakegate_api.s3.failures import S3Refusal

_READS = frozenset({"GET", "HEAD"})
# What can't be named can't be there: a reader is told so, as by any S3 server.
_NOT_THERE = {ErrorKind.INVALID_NAME: (404, "NoSuchBucket"), ErrorKind.INVALID_REF: (404, "NoSuchKey")}
_NO_BODY = frozenset({304})


def error_answer(error: LakegateError | S3Refusal, method: str, resource: str) -> Answer:
    """Makes the answer to a request that was refused, or failed."""
    headers: dict[str, str] = {}
    kind = ""
    if isinstance(error, S3Refusal):
        status, code = error.status, error.code
    else:
        kind = error.kind.value
        status, code = _NOT_THERE.get(error.kind, (0, "")) if method in _READS else (0, "")
        if not status:
            found = answer_of(error.kind)
            status, code = found.status_of_s3, found.s3_code
        if error.kind is ErrorKind.INVALID_RANGE and "size" in error.details:
            headers["content-range"] = f"bytes */{error.details['size']}"
    if method == "HEAD" or status in _NO_BODY:
        return Answer(status, headers)
    answer = Answer.xml(error_document(error, code, kind, resource), status)
    answer.headers |= headers
    return answer


def error_document(error: Exception, code: str, kind: str, resource: str) -> bytes:
    """Writes the document of an error: S3's code, and lakegate's own beside it."""
    content = [("Code", code), ("Message", str(error)), ("Resource", resource)]
    if kind:
        content.append(("LakegateCode", kind))
    return document("Error", content, namespace=False)
