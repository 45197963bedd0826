"""Repositories, refs and commits in JSON, and pages of anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lakegate.ids import BranchName, CommitId, ManifestId, NodeId, RepositoryId, RepositoryName, TagName
from lakegate.model import MAX_PAGE, Branch, Commit, Manifest, Page, RepositoryInfo, Tag

Json = dict[str, Any]
T = TypeVar("T")


def page_to_json(page: Page[T], render: Callable[[T], Json]) -> Json:
    """A list answer: `pagination` and `results`."""
    return {
        "pagination": {
            "has_more": page.has_more,
            "next_offset": page.next_after,
            "results": len(page.items),
            "max_per_page": MAX_PAGE,
        },
        "results": [render(item) for item in page.items],
    }


def page_from_json(body: Json, read: Callable[[Json], T]) -> Page[T]:
    """Reads a list answer."""
    pagination = body["pagination"]
    after = pagination["next_offset"] if pagination["has_more"] else ""
    return Page(tuple(read(item) for item in body["results"]), after)


def repository_to_json(info: RepositoryInfo) -> Json:
    return {
        "id": info.name,
        "creation_date": info.created // 1000,
        "default_branch": info.default_branch,
        "storage_id": "",
        "storage_namespace": info.storage_namespace,
        "read_only": False,
        "repository_id": info.id,
        "creation_date_ms": info.created,
    }


def repository_from_json(body: Json) -> RepositoryInfo:
    return RepositoryInfo(
        RepositoryId(body["repository_id"]),
        RepositoryName(body["id"]),
        body["storage_namespace"],
        BranchName(body["default_branch"]),
        body["creation_date_ms"],
    )


def branch_to_json(branch: Branch) -> Json:
    return {"id": branch.name, "commit_id": branch.commit}


def branch_from_json(body: Json) -> Branch:
    return Branch(BranchName(body["id"]), CommitId(body["commit_id"]))


def tag_to_json(tag: Tag) -> Json:
    return {"id": tag.name, "commit_id": tag.commit}


def tag_from_json(body: Json) -> Tag:
    return Tag(TagName(body["id"]), CommitId(body["commit_id"]))


def commit_to_json(commit: Commit) -> Json:
    """A commit; `meta_range_id` is the id of its manifest."""
    return {
        "id": commit.id,
        "parents": list(commit.parents),
        "committer": commit.committer,
        "message": commit.message,
        "creation_date": commit.created // 1000,
        "meta_range_id": commit.manifest,
        "metadata": dict(commit.metadata),
        "generation": commit.generation,
        "version": 1,
        "creation_date_ms": commit.created,
        "warnings": list(commit.warnings),
    }


def commit_from_json(body: Json) -> Commit:
    return Commit(
        CommitId(body["id"]),
        tuple(CommitId(parent) for parent in body["parents"]),
        ManifestId(body["meta_range_id"]),
        body["message"],
        body["committer"],
        body["creation_date_ms"],
        body["metadata"],
        body["generation"],
        tuple(body.get("warnings", ())),  # older servers send none
    )


def manifest_to_json(manifest: Manifest) -> Json:
    return {
        "id": manifest.id,
        "objects_root": manifest.objects_root,
        "tables_root": manifest.tables_root,
        "objects": manifest.objects,
        "bytes": manifest.bytes,
        "tables": manifest.tables,
    }


def manifest_from_json(body: Json) -> Manifest:
    return Manifest(
        ManifestId(body["id"]),
        NodeId(body["objects_root"]),
        NodeId(body["tables_root"]),
        body["objects"],
        body["bytes"],
        body["tables"],
    )
