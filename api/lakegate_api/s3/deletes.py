"""DeleteObjects: many keys in one request."""

from __future__ import annotations

from functools import partial

from lakegate.errors import LakegateError
from lakegate.model import MAX_PAGE
from lakegate_api.errors import answer_of
from lakegate_api.s3.answers import Answer
from lakegate_api.s3.bodies import read_document
from lakegate_api.s3.call import BucketCall
from lakegate_api.s3.documents import Element, document, malformed, parse, text_of


async def delete_objects(call: BucketCall) -> Answer:
    """Deletes keys: those of one ref in one transaction. A key that holds nothing is deleted already."""
    root = parse(await read_document(call.call), "Delete")
    keys: list[str] = []
    failures: dict[str, tuple[str, str]] = {}  # by key: code and message
    wanted: dict[str, dict[str, str]] = {}  # by ref: the key of each path
    for element in root.iterfind("Object"):
        key = text_of(element, "Key")
        if not key:
            raise malformed("names an object without a key")
        keys.append(key)
        ref, path = call.bucket.split(key)
        if text_of(element, "VersionId") not in (None, "", "null"):
            failures[key] = "MethodNotAllowed", "Commits keep what they hold: delete it on a branch."
        elif path:
            wanted.setdefault(call.ref_of(ref), {})[path] = key
    if not 0 < len(keys) <= MAX_PAGE:
        raise malformed(f"names {len(keys)} objects; 1 to {MAX_PAGE} are allowed")
    for ref, paths in wanted.items():
        failures |= await call.run(partial(_delete, call, ref, paths))
    lines: list[Element] = []
    if text_of(root, "Quiet") != "true":
        lines += [("Deleted", [("Key", key)]) for key in keys if key not in failures]
    for key, (code, message) in failures.items():
        lines.append(("Error", [("Key", key), ("Code", code), ("Message", message)]))
    return Answer.xml(document("DeleteResult", lines))


def _delete(call: BucketCall, ref: str, paths: dict[str, str]) -> dict[str, tuple[str, str]]:
    try:
        call.call.commit = call.repository.writable(ref)
        refused = call.repository.delete_many(ref, list(paths))
    except LakegateError as error:
        return dict.fromkeys(paths.values(), (answer_of(error.kind).s3_code, str(error)))
    return {paths[failure.path]: ("InvalidArgument", failure.message) for failure in refused}
