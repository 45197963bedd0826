"""A lake as an fsspec filesystem: `lakegate://REPOSITORY/REF/PATH`, for pandas, Polars, pyarrow, Dask and others.

    pandas.read_parquet("lakegate://sales/main/orders.parquet", storage_options={"lake": "http://127.0.0.1:8000", ...})

Repositories and refs are folders; a branch shows its uncommitted state, and is the only ref that is written to. Writes
are uncommitted until `lakegate commit`. Folders are there by the objects below them.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import compression as compressions
from fsspec import spec, utils

from lakegate.client.files import CompressingFile, ReadingFile, WritingFile
from lakegate.errors import AccessDenied, ErrorKind, NotFound, NotOffered, PreconditionFailed, Refused
from lakegate.interface import Lake, Repository
from lakegate.model import CommonPrefix, Entry, ListRequest, Page, PutRequest

Info = dict[str, Any]

_PAGE = 1000
# fsspec states no types.
_FileSystem: Any = spec.AbstractFileSystem


@dataclass(frozen=True, slots=True)
class _Place:
    """What a path names; "" where it ends before."""

    repository: str
    ref: str
    path: str

    @classmethod
    def of(cls, path: str) -> _Place:
        repository, _, rest = path.partition("/")
        ref, _, below = rest.partition("/")
        return cls(repository, ref, below)

    @property
    def prefix(self) -> str:
        return f"{self.repository}/{self.ref}/"


class LakegateFileSystem(_FileSystem):  # type: ignore[misc]
    """The objects of a lake as files.

    Storage options: `lake` (a server's URL, a lake's folder, or a `Lake` that the program has open), `key`, `secret`.
    What is not given comes from the process's environment: LAKEGATE_URL, LAKEGATE_ACCESS_KEY_ID,
    LAKEGATE_SECRET_ACCESS_KEY. (It can't be named `url`: fsspec's own functions take an argument of that name.)

    What is not there is a FileNotFoundError, what may not be written a PermissionError; each has the LakegateError as
    its cause. All else that a lake refuses is raised as the LakegateError that it is.
    """

    protocol = "lakegate"
    root_marker = ""

    def __init__(
        self, lake: str | Path | Lake | None = None, key: str | None = None, secret: str | None = None, **options: Any
    ) -> None:
        super().__init__(**{**options, "use_listings_cache": False})
        if lake is None or isinstance(lake, str | Path):
            from lakegate.connection import connect

            lake = connect(lake, access_key_id=key, secret_access_key=secret, environment=os.environ)
            weakref.finalize(self, lake.close)
        self._lake = lake
        self._open_repositories: dict[str, Repository] = {}

    # -- looking ------------------------------------------------------------------------------------------------------

    def info(self, path: str, **options: Any) -> Info:
        path = self._strip_protocol(path)
        place = _Place.of(path)
        with _as_os_errors(path):
            if not place.repository:
                return _folder("")
            repository = self._repository(place.repository)
            if not place.path:
                if place.ref:
                    repository.commit_of(place.ref)
                return _folder(path)
            try:
                return _file(place, repository.stat(place.ref, place.path))
            except NotFound as error:
                if error.kind is not ErrorKind.OBJECT_NOT_FOUND:
                    raise
                below = repository.list(place.ref, ListRequest(f"{place.path}/", amount=1))
                if not below.items:
                    raise
            return _folder(path)

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        path = self._strip_protocol(path)
        with _as_os_errors(path):
            found = list(self._children(path))
        if not found:
            info = self.info(path)
            found = [info] if info["type"] == "file" else []
        return found if detail else [item["name"] for item in found]

    def _children(self, path: str) -> Iterator[Info]:
        place = _Place.of(path)
        if not place.repository:
            for info in _items(lambda after: self._lake.repositories("", after, _PAGE)):
                yield _folder(info.name)
        elif not place.ref:
            repository = self._repository(place.repository)
            for branch in _items(lambda after: repository.branches("", after, _PAGE)):
                yield _folder(f"{path}/{branch.name}")
            for tag in _items(lambda after: repository.tags("", after, _PAGE)):
                yield _folder(f"{path}/{tag.name}")
        else:
            yield from self._listed(place, "/")

    def _listed(self, place: _Place, delimiter: str) -> Iterator[Info]:
        repository = self._repository(place.repository)
        prefix = f"{place.path}/" if place.path else ""
        for item in _items(lambda after: repository.list(place.ref, ListRequest(prefix, after, _PAGE, delimiter))):
            if isinstance(item, CommonPrefix):
                yield _folder(place.prefix + item.path.rstrip("/"))
            elif not item.path.endswith("/"):
                yield _file(place, item)

    def find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any
    ) -> Any:
        place = _Place.of(self._strip_protocol(path))
        if maxdepth is not None or withdirs or not place.ref:
            return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **options)
        try:
            found = {item["name"]: item for item in self._listed(place, "")}
            if place.path and self.isfile(path):
                item = self.info(path)
                found[item["name"]] = item
        except (FileNotFoundError, NotFound):
            found = {}
        return found if detail else sorted(found)

    def modified(self, path: str) -> datetime:
        """When the object was written."""
        info = self.info(path)
        if info["type"] != "file":
            raise IsADirectoryError(path)
        return datetime.fromtimestamp(info["mtime"], UTC)

    # -- reading and writing ------------------------------------------------------------------------------------------

    def open(self, path: str, mode: str = "rb", *arguments: Any, compression: str | None = None, **options: Any) -> Any:
        if compression is None or "r" in mode or "b" not in mode:
            return super().open(path, mode, *arguments, compression=compression, **options)
        known: Any = compressions.compr
        name = utils.infer_compression(path) if compression == "infer" else compression
        file = super().open(path, mode, *arguments, **options)
        return file if name is None else CompressingFile(known[name](file, mode=mode[0]), file)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Any = None,
        **options: Any,
    ) -> Any:
        place = self._object(path)
        with _as_os_errors(path):
            repository = self._repository(place.repository)
            if mode == "rb":
                reader = repository.open(place.ref, place.path)
                cache = options.get("cache_type", "readahead")
                return ReadingFile(self, path, reader, block_size, cache_type=cache, cache_options=cache_options)
            if mode not in ("wb", "xb"):
                raise NotOffered(
                    f"Opening a file with the mode {mode!r} is not offered: objects are written whole.",
                    hint="Read it, and write it anew.",
                )
            if not autocommit:
                raise NotOffered("fsspec's transactions are not offered.", hint="Write to a branch, and merge it.")
            repository.branch(place.ref)
        request = PutRequest(if_none_match=mode == "xb", **_put_options(options))

        def put(pieces: Iterable[bytes]) -> None:
            with _as_os_errors(path):
                repository.put(place.ref, place.path, pieces, request)

        return WritingFile(path, put)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        place = self._object(path)
        with _as_os_errors(path):
            reader = self._repository(place.repository).open(place.ref, place.path)
            first, last, _ = slice(start, end).indices(reader.entry.size)
            return reader.read(first, max(0, last - first))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        place = self._object(path)
        request = PutRequest(if_none_match=mode == "create", **_put_options(options))
        with _as_os_errors(path):
            self._repository(place.repository).put(place.ref, place.path, bytes(value), request)

    # -- changing -----------------------------------------------------------------------------------------------------

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Copies without copying bytes within a repository."""
        source, target = self._object(path1), self._object(path2)
        with _as_os_errors(path1):
            there, here = self._repository(source.repository), self._repository(target.repository)
            try:
                entry = there.stat(source.ref, source.path)
            except NotFound:
                if not self.isdir(path1):
                    raise
                return
            if source.repository == target.repository:
                here.copy(target.ref, target.path, source.ref, source.path)
                return
            request = PutRequest(entry.content_type, entry.metadata, entry.headers, size=entry.size)
            here.put(target.ref, target.path, there.open(source.ref, source.path).chunks(), request)

    def rm_file(self, path: str) -> None:
        place = self._object(path)
        with _as_os_errors(path):
            self._repository(place.repository).delete(place.ref, place.path)

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        paths = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)
        if not recursive:
            for name in paths:
                self.rm_file(name)
            return
        doomed: dict[tuple[str, str], list[str]] = {}
        for name in paths:
            place = _Place.of(name)
            if not place.ref:
                raise PermissionError(f"{name!r} is a repository; delete it with `lakegate repo delete`.")
            # Folders are there by what is below them, and by an object that marks them.
            doomed.setdefault((place.repository, place.ref), []).extend((place.path, f"{place.path}/"))
        for (repository, ref), below in doomed.items():
            with _as_os_errors(f"{repository}/{ref}"):
                self._repository(repository).delete_many(ref, [name for name in below if name not in ("", "/")])

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Does nothing below a ref: folders are there by the objects below them. Repositories and branches are not made
        so: raises FileNotFoundError for one that is not there."""
        place = _Place.of(self._strip_protocol(path))
        self.info(f"{place.repository}/{place.ref}".rstrip("/"))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Does nothing: a folder is gone with the last object below it."""

    # -- inside -------------------------------------------------------------------------------------------------------

    def _repository(self, name: str) -> Repository:
        found = self._open_repositories.get(name)
        if found is None:
            found = self._open_repositories[name] = self._lake.repository(name)
        return found

    def _object(self, path: str) -> _Place:
        place = _Place.of(self._strip_protocol(path))
        if not place.path:
            raise IsADirectoryError(f"{path!r} names no object: write REPOSITORY/REF/PATH.")
        return place


def _items(page: Any) -> Iterator[Any]:
    after = ""
    while True:
        found: Page[Any] = page(after)
        yield from found.items
        if not found.has_more:
            return
        after = found.next_after


def _folder(name: str) -> Info:
    return {"name": name, "size": 0, "type": "directory"}


def _file(place: _Place, entry: Entry) -> Info:
    return {
        "name": place.prefix + entry.path,
        "size": entry.size,
        "type": "file",
        "mtime": entry.mtime / 1000,
        "ETag": entry.etag,
        "digest": entry.digest,
        "content_type": entry.content_type,
        "metadata": dict(entry.metadata),
    }


def _put_options(options: Info) -> Info:
    return {key: options[key] for key in ("content_type", "metadata") if options.get(key) is not None}


@contextmanager
def _as_os_errors(path: str) -> Generator[None]:
    """Raises what callers of a filesystem handle by type as that type, with the LakegateError as its cause."""
    try:
        yield
    except NotFound as error:
        raise FileNotFoundError(str(error)) from error
    except AccessDenied as error:
        raise PermissionError(str(error)) from error
    except Refused as error:
        if error.kind is ErrorKind.READ_ONLY_REF:
            raise PermissionError(str(error)) from error
        raise
    except PreconditionFailed as error:
        if error.kind is ErrorKind.PRECONDITION_FAILED:
            raise FileExistsError(str(error)) from error
        raise
