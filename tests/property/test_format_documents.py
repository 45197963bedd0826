"""Canonical JSON, documents and their ids."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.errors import Corrupt, ErrorKind, Refused
from lakegate.format import documents
from lakegate.format.canonical import canonical_bytes, canonical_json, sha256_hex
from lakegate.format.documents import CommitFields, ManifestFields, RefRecord
from lakegate.ids import BranchName, CommitId, ManifestId, NodeId, RepositoryId, RepositoryName
from lakegate.model import RepositoryInfo
from lakegate.testing.strategies import hex_ids, mappings, texts, whole_numbers

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_canonical_json_comes_back_and_is_unique(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(json.dumps(value, indent=2))) == text


def test_canonical_json_by_example() -> None:
    value = {"\U0001f600": 1, "\uffff": [True, None], "a": 'é\n"\\/\x01\x7f\u2028', "B": -5, "": {}}
    assert canonical_json(value) == (
        '{"":{},"B":-5,"a":"é\\n\\"\\\\/\\u0001\x7f\u2028","\uffff":[true,null],"\U0001f600":1}'
    )


@pytest.mark.parametrize("value", [1.5, {"a": [1.0]}, float("nan"), {1: 2}, "\ud800"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_bytes(value)


@settings(deadline=None)
@given(
    st.lists(hex_ids(), max_size=3), hex_ids(), texts(200), texts(), whole_numbers(), mappings(), st.integers(1, 10**6)
)
def test_a_commit_comes_back_under_its_id(
    parents: list[str], manifest: str, message: str, committer: str, created: int, metadata: dict[str, str], age: int
) -> None:
    fields = CommitFields(
        tuple(map(CommitId, parents)), ManifestId(manifest), message, committer, created, metadata, age
    )
    commit, data = documents.encode_commit(fields)
    assert commit.id == hashlib.sha256(data).hexdigest()
    assert documents.decode_commit(commit.id, data) == commit
    assert (commit.message, commit.metadata, commit.generation) == (message, metadata, age)
    assert json.loads(data) == {
        "committer": committer,
        "created": created,
        "format_version": 1,
        "generation": age,
        "kind": "commit",
        "manifest": manifest,
        "message": message,
        "metadata": metadata,
        "parents": parents,
    }


def test_a_manifest_comes_back_under_its_id() -> None:
    manifest, data = documents.encode_manifest(ManifestFields(NodeId("0" * 64), NodeId("1" * 64), 5, 6, 7))
    assert documents.decode_manifest(manifest.id, data) == manifest
    assert (manifest.objects, manifest.bytes, manifest.tables) == (5, 6, 7)


def test_documents_that_are_not_what_their_name_says_are_corrupt() -> None:
    manifest, data = documents.encode_manifest(ManifestFields(NodeId("0" * 64), NodeId("1" * 64), 5, 6, 7))
    with pytest.raises(Corrupt, match="hashes to"):
        documents.decode_manifest(manifest.id, data + b" ")
    with pytest.raises(Corrupt, match="not a commit"):
        documents.decode_commit(CommitId(manifest.id), data)
    for text in (
        b"[]",
        b"{}",
        b"x",
        b'{"kind":"manifest","format_version":1}',
        b'{"kind":"manifest","format_version":0}',
    ):
        with pytest.raises(Corrupt):
            documents.decode_manifest(ManifestId(sha256_hex(text)), text)
    newer = data.replace(b'"format_version":1', b'"format_version":2')
    with pytest.raises(Refused) as caught:
        documents.decode_manifest(ManifestId(sha256_hex(newer)), newer)
    assert caught.value.kind is ErrorKind.FORMAT_TOO_NEW


def test_format_json() -> None:
    info = RepositoryInfo(RepositoryId("ab" * 16), RepositoryName("sales"), "memory:///", BranchName("main"), 5)
    data = documents.encode_format(info)
    assert documents.decode_format(data, "memory:///") == info
    with pytest.raises(Refused) as caught:
        documents.decode_format(data.replace(b'"format_version":1', b'"format_version":7'), "memory:///")
    assert caught.value.kind is ErrorKind.FORMAT_TOO_NEW
    assert "version 7" in caught.value.message
    for broken in (b"", b"{}", b"\xff", b'{"format_version":"1"}', b'{"format_version":1}'):
        with pytest.raises(Corrupt):
            documents.decode_format(broken, "memory:///")


@settings(deadline=None)
@given(texts(), st.none() | hex_ids(), st.integers(0, 10**20 - 1), whole_numbers(), texts(), texts())
def test_a_journal_record_comes_back(
    name: str, commit: str | None, sequence: int, at: int, actor: str, reason: str
) -> None:
    record = RefRecord("branch", name, CommitId(commit) if commit else None, sequence, at, actor, reason)
    assert documents.decode_ref_record("key", documents.encode_ref_record(record)) == record


def test_the_journal_sorts_by_sequence() -> None:
    assert documents.ref_key("branch", "main", 12) == "_lakegate/refs/branches/main/00000000000000000012.json"
    assert documents.ref_key("tag", "v1", 9) < documents.ref_key("tag", "v1", 10)
    for broken in (b"", b"{}", b'{"format_version":1,"commit":"x"}'):
        with pytest.raises(Corrupt):
            documents.decode_ref_record("key", broken)
