"""Commits, manifests, `format.json` and records of the ref journal as JSON (storage format, section on documents).

A document's file holds exactly the bytes that its id is the SHA-256 of; the id itself stands in the file's name only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lakegate.errors import Corrupt, ErrorKind, Refused
from lakegate.format.canonical import canonical_bytes, parse_json, sha256_hex
from lakegate.format.kinds import FORMAT_VERSION
from lakegate.ids import (
    BranchName,
    CommitId,
    ManifestId,
    NodeId,
    RepositoryId,
    RepositoryName,
    is_full_id,
    require_unicode,
)
from lakegate.model import Commit, Manifest, RepositoryInfo

T = TypeVar("T")

FORMAT_KEY = "_lakegate/format.json"
COMMITS = "_lakegate/commits/"
MANIFESTS = "_lakegate/manifests/"
NODES = "_lakegate/nodes/"
REFS = "_lakegate/refs/"

_HINT = "Run `lakegate verify`; restore the file from a backup or replica of the storage namespace."


def commit_key(commit: CommitId) -> str:
    return f"{COMMITS}{commit}.json"


def manifest_key(manifest: ManifestId) -> str:
    return f"{MANIFESTS}{manifest}.json"


def node_key(node: NodeId) -> str:
    return f"{NODES}{node}.parquet"


# -- commits and manifests --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CommitFields:
    """What a commit says, before it has an id."""

    parents: tuple[CommitId, ...]
    manifest: ManifestId
    message: str
    committer: str
    created: int
    metadata: Mapping[str, str]
    generation: int


@dataclass(frozen=True, slots=True)
class ManifestFields:
    """What a manifest says, before it has an id."""

    objects_root: NodeId
    tables_root: NodeId
    objects: int
    bytes: int
    tables: int


def encode_commit(fields: CommitFields) -> tuple[Commit, bytes]:
    """Returns the commit with its id, and the bytes of its file. Raises InvalidInput(INVALID_ARGUMENT)."""
    for text in (fields.message, fields.committer, *fields.metadata, *fields.metadata.values()):
        require_unicode(text, "The message or metadata of the commit")
    data = canonical_bytes(
        {
            "committer": fields.committer,
            "created": fields.created,
            "format_version": FORMAT_VERSION,
            "generation": fields.generation,
            "kind": "commit",
            "manifest": fields.manifest,
            "message": fields.message,
            "metadata": dict(fields.metadata),
            "parents": list(fields.parents),
        }
    )
    return _commit(CommitId(sha256_hex(data)), parse_json(data)), data


def decode_commit(commit: CommitId, data: bytes) -> Commit:
    """Raises Corrupt where the bytes do not hash to the id or are no commit of a known format version."""
    return _decode(commit, data, "commit", lambda document: _commit(commit, document))


def encode_manifest(fields: ManifestFields) -> tuple[Manifest, bytes]:
    """Returns the manifest with its id, and the bytes of its file."""
    data = canonical_bytes(
        {
            "bytes": fields.bytes,
            "format_version": FORMAT_VERSION,
            "kind": "manifest",
            "objects": fields.objects,
            "objects_root": fields.objects_root,
            "tables": fields.tables,
            "tables_root": fields.tables_root,
        }
    )
    return _manifest(ManifestId(sha256_hex(data)), parse_json(data)), data


def decode_manifest(manifest: ManifestId, data: bytes) -> Manifest:
    """Raises Corrupt where the bytes do not hash to the id or are no manifest of a known format version."""
    return _decode(manifest, data, "manifest", lambda document: _manifest(manifest, document))


def _commit(commit: CommitId, document: dict[str, Any]) -> Commit:
    return Commit(
        id=commit,
        parents=tuple(CommitId(_id(parent)) for parent in document["parents"]),
        manifest=ManifestId(_id(document["manifest"])),
        message=document["message"],
        committer=document["committer"],
        created=document["created"],
        metadata=document["metadata"],
        generation=document["generation"],
    )


def _manifest(manifest: ManifestId, document: dict[str, Any]) -> Manifest:
    return Manifest(
        id=manifest,
        objects_root=NodeId(_id(document["objects_root"])),
        tables_root=NodeId(_id(document["tables_root"])),
        objects=document["objects"],
        bytes=document["bytes"],
        tables=document["tables"],
    )


def _id(text: str) -> str:
    if not is_full_id(text):
        raise ValueError(f"{text!r} is no id")
    return text


def _decode(name: str, data: bytes, kind: str, parse: Callable[[dict[str, Any]], T]) -> T:
    found = sha256_hex(data)
    if found != name:
        raise Corrupt(f"The file of the {kind} {name} hashes to {found}.", hint=_HINT)
    try:
        document = parse_json(data)
        if document["kind"] != kind:
            raise Corrupt(f"The file {name} holds a {document['kind']}, not a {kind}.", hint=_HINT)
        check_version(document, f"The {kind} {name}")
        return parse(document)
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"The {kind} {name} is not a document of format version 1: {error}.", hint=_HINT) from error


# -- format.json ------------------------------------------------------------------------------------------------------


def encode_format(info: RepositoryInfo) -> bytes:
    """The file that marks a storage namespace as one repository's."""
    return canonical_bytes(
        {
            "created": info.created,
            "default_branch": info.default_branch,
            "format_version": FORMAT_VERSION,
            "repository": info.name,
            "repository_id": info.id,
        }
    )


def decode_format(data: bytes, storage_namespace: str) -> RepositoryInfo:
    """Raises Refused(FORMAT_TOO_NEW) for a newer format version, Corrupt for what is no `format.json`."""
    try:
        document = parse_json(data)
        check_version(document, f"The repository in {storage_namespace}")
        return RepositoryInfo(
            id=RepositoryId(document["repository_id"]),
            name=RepositoryName(document["repository"]),
            storage_namespace=storage_namespace,
            default_branch=BranchName(document["default_branch"]),
            created=document["created"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"{storage_namespace}/{FORMAT_KEY} can't be read: {error}.", hint=_HINT) from error


def check_version(document: Mapping[str, Any], what: str) -> None:
    """Raises Refused(FORMAT_TOO_NEW) for a document of a newer format version, ValueError for none at all."""
    version = document["format_version"]
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"{version!r} is no format version")
    if version > FORMAT_VERSION:
        raise Refused(
            ErrorKind.FORMAT_TOO_NEW,
            f"{what} is of storage format version {version}; this lakegate knows versions up to {FORMAT_VERSION}.",
            hint="Use a newer lakegate.",
            details={"format_version": version, "known": FORMAT_VERSION},
        )


# -- the ref journal --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RefRecord:
    """One record of the ref journal: from `sequence` on, the ref points at `commit` (None: it was deleted).

    kind  "branch" or "tag"
    at    milliseconds since the epoch
    """

    kind: str
    name: str
    commit: CommitId | None
    sequence: int
    at: int
    actor: str
    reason: str


def ref_prefix(kind: str, name: str) -> str:
    """The folder of one ref's journal."""
    folder = "branches" if kind == "branch" else "tags"
    return f"{REFS}{folder}/{name}/"


def ref_key(kind: str, name: str, sequence: int) -> str:
    return f"{ref_prefix(kind, name)}{sequence:020d}.json"


def encode_ref_record(record: RefRecord) -> bytes:
    return canonical_bytes(
        {
            "actor": record.actor,
            "at": record.at,
            "commit": record.commit,
            "format_version": FORMAT_VERSION,
            "kind": record.kind,
            "name": record.name,
            "reason": record.reason,
            "sequence": record.sequence,
        }
    )


def decode_ref_record(key: str, data: bytes) -> RefRecord:
    """Raises Corrupt where the bytes are no journal record."""
    try:
        document = parse_json(data)
        check_version(document, f"The journal record {key}")
        commit = document["commit"]
        return RefRecord(
            kind=document["kind"],
            name=document["name"],
            commit=None if commit is None else CommitId(_id(commit)),
            sequence=document["sequence"],
            at=document["at"],
            actor=document["actor"],
            reason=document["reason"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"The journal record {key} can't be read: {error}.", hint=_HINT) from error
