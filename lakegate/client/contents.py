"""Objects of a repository behind a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakegate.client import names
from lakegate.client.http import Sent
from lakegate.client.objects import HttpReader, Put, conditions, put_object
from lakegate.client.requests import Requests, listing, use_the_gateway
from lakegate.client.wire import objects
from lakegate.ids import UploadId, object_path
from lakegate.interface import Body, ObjectReader
from lakegate.model import (
    CommonPrefix,
    DeleteFailure,
    Entry,
    ListRequest,
    Page,
    Part,
    PutRequest,
    StageRequest,
    Upload,
)


class ContentRequests(Requests):
    """The methods of `lakegate.interface.Repository` for objects and uploads."""

    def _entry(self, body: Any) -> Entry:
        return objects.entry_from_json(body, self.info.storage_namespace)

    def stat(self, ref: str, path: str) -> Entry:
        return self.get(("refs", names.ref(ref), "objects", "stat"), self._entry, {"path": object_path(path)})

    def open(self, ref: str, path: str) -> ObjectReader:
        return self.open_entry(ref, self.stat(ref, path))

    def open_entry(self, ref: str, entry: Entry) -> ObjectReader:
        """Opens an object that a listing of `ref` has told of, without asking for it again."""
        return HttpReader(self.http, self.path("refs", names.ref(ref), "objects"), entry)

    def list(self, ref: str, request: ListRequest = ListRequest()) -> Page[Entry | CommonPrefix]:
        namespace = self.info.storage_namespace
        route = ("refs", names.ref(ref), "objects", "ls")
        return self.page(route, lambda item: objects.listed_from_json(item, namespace), listing(request))

    def put(self, branch: str, path: str, body: Body, request: PutRequest = PutRequest()) -> Entry:
        route = self.path("branches", names.branch(branch), "objects")
        return put_object(self.http, route, self._entry, Put(object_path(path), body, request))

    def copy(
        self, branch: str, path: str, source_ref: str, source_path: str, request: PutRequest | None = None
    ) -> Entry:
        body: dict[str, Any] = {"src_path": source_path, "src_ref": source_ref}
        headers: dict[str, str] = {}
        if request is not None:
            body |= {
                "content_type": request.content_type,
                "metadata": dict(request.metadata),
                "headers": dict(request.headers),
            }
            headers = conditions(request)
        sent = Sent({"dest_path": object_path(path)}, body, headers=headers)
        route = self.path("branches", names.branch(branch), "objects", "copy")
        return self.http.read("POST", route, self._entry, sent)

    def stage(self, branch: str, path: str, request: StageRequest) -> Entry:
        route = self.path("branches", names.branch(branch), "objects")
        body = {
            "physical_address": request.url,
            "checksum": request.checksum,
            "size_bytes": request.size,
            "mtime_ms": request.mtime,
            "metadata": dict(request.metadata),
            "content_type": request.content_type,
        }
        return self.http.read("PUT", route, self._entry, Sent({"path": object_path(path)}, body))

    def set_metadata(self, branch: str, path: str, metadata: Mapping[str, str]) -> Entry:
        route = self.path("branches", names.branch(branch), "objects", "stat", "user_metadata")
        sent = Sent({"path": object_path(path)}, {"set": dict(metadata)})
        return self.http.read("PUT", route, self._entry, sent)

    def delete(self, branch: str, path: str) -> None:
        route = self.path("branches", names.branch(branch), "objects")
        self.http.send("DELETE", route, Sent({"path": object_path(path)}))

    def delete_many(self, branch: str, paths: Sequence[str]) -> tuple[DeleteFailure, ...]:
        failures: tuple[DeleteFailure, ...] = ()
        paths = list(paths)
        for start in range(0, len(paths), 1000):
            route = ("branches", names.branch(branch), "objects", "delete")
            failures += self.post(
                route, objects.delete_failures_from_json, {"paths": list(paths[start : start + 1000])}
            )
        return failures

    def create_upload(self, branch: str, path: str, request: PutRequest = PutRequest()) -> Upload:
        use_the_gateway("Multipart uploads are")

    def put_part(self, upload: UploadId, number: int, body: Body, request: PutRequest = PutRequest()) -> Part:
        use_the_gateway("Multipart uploads are")

    def parts(self, upload: UploadId, after: int = 0, amount: int = 1000) -> tuple[Upload, Page[Part]]:
        use_the_gateway("Multipart uploads are")

    def uploads(self, branch: str, prefix: str = "", after: str = "", amount: int = 1000) -> Page[Upload]:
        use_the_gateway("Multipart uploads are")

    def complete_upload(
        self, upload: UploadId, parts: Sequence[tuple[int, str]], request: PutRequest = PutRequest()
    ) -> Entry:
        use_the_gateway("Multipart uploads are")

    def abort_upload(self, upload: UploadId) -> None:
        use_the_gateway("Multipart uploads are")
