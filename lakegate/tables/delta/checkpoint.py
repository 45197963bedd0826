"""Reads checkpoints: classic, multi-part and V2, the latter with their sidecars (Delta protocol, Checkpoints)."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from lakegate.context import RepositoryContext
from lakegate.errors import NotFound
from lakegate.log_paths import log_folder
from lakegate.model import Entry
from lakegate.snapshot import Snapshot
from lakegate.tables.data_files import open_arrow
from lakegate.tables.delta.faults import log_invalid
from lakegate.tables.delta.log import Checkpoint, read_bytes

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

NamedAction = tuple[str, dict[str, Any]]

_STATE = ("protocol", "metaData", "txn", "domainMetadata", "sidecar", "checkpointMetadata")
_BATCH_ROWS = 4096


def read_checkpoint(
    ctx: RepositoryContext, snapshot: Snapshot, table: str, checkpoint: Checkpoint
) -> Iterator[NamedAction]:
    """Yields the actions of a checkpoint that are state, live files as `add`, batch by batch: memory does not grow
    with the table. Tombstones are left out: they only tell vacuum what to delete.

    Raises Refused(DELTA_LOG_INVALID) where a part or a sidecar is missing or can't be read.
    """
    for entry in checkpoint.files:
        sidecars: list[Entry] = []
        for name, action in _read(ctx, table, entry):
            if name == "sidecar":
                sidecars.append(_sidecar(snapshot, table, entry, action))
            elif name != "checkpointMetadata":
                yield name, action
        for sidecar in sidecars:
            yield from _read_parquet(ctx, table, sidecar)


@dataclass(frozen=True, slots=True)
class CheckpointSummary:
    """What a checkpoint says, without the files' details: `files` yields path, as it is written, and size in bytes."""

    metadata: Mapping[str, Any]
    protocol: Mapping[str, Any]
    files: Callable[[], Iterator[tuple[str, int]]]


def checkpoint_summary(
    ctx: RepositoryContext, snapshot: Snapshot, table: str, checkpoint: Checkpoint
) -> CheckpointSummary:
    """Reads a checkpoint as far as it takes to tell which table it is of; of its Parquet files only two columns."""
    state: dict[str, Mapping[str, Any]] = {}
    data: list[Entry] = []
    lines: list[tuple[str, int]] = []
    for entry in checkpoint.files:
        actions = _read_json(ctx, table, entry) if entry.path.endswith(".json") else _state(ctx, table, entry)
        data += () if entry.path.endswith(".json") else (entry,)
        for name, action in actions:
            if name == "sidecar":
                data.append(_sidecar(snapshot, table, entry, action))
            elif name == "add":
                lines.append((str(action.get("path")), int(action.get("size") or 0)))
            else:
                state[name] = action

    def files() -> Iterator[tuple[str, int]]:
        yield from lines
        for part in data:
            yield from _paths_and_sizes(ctx, table, part)

    return CheckpointSummary(state.get("metaData", {}), state.get("protocol", {}), files)


def _sidecar(snapshot: Snapshot, table: str, checkpoint: Entry, action: Mapping[str, Any]) -> Entry:
    path = _sidecar_path(table, str(action.get("path") or ""))
    found = snapshot.get(path)
    if found is None:
        raise log_invalid(table, f"the checkpoint {checkpoint.path!r} needs {path!r}, and there is no such object")
    return found


def _sidecar_path(table: str, given: str) -> str:
    """Sidecars always lie in the log's own folder, and are named by file name or path (Sidecar File Information)."""
    return f"{log_folder(table)}_sidecars/{unquote(given).rpartition('/')[2]}"


def _read(ctx: RepositoryContext, table: str, entry: Entry) -> Iterator[NamedAction]:
    return _read_json(ctx, table, entry) if entry.path.endswith(".json") else _read_parquet(ctx, table, entry)


def _read_json(ctx: RepositoryContext, table: str, entry: Entry) -> Iterator[NamedAction]:
    for number, line in enumerate(read_bytes(ctx, table, entry).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            parsed = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise log_invalid(table, f"line {number} of the checkpoint {entry.path!r} is no JSON") from error
        for name, action in parsed.items() if isinstance(parsed, dict) else ():
            if isinstance(action, dict) and name != "remove":
                yield name, action


# -- Parquet ----------------------------------------------------------------------------------------------------------


def _read_parquet(ctx: RepositoryContext, table: str, entry: Entry) -> Iterator[NamedAction]:
    with _opened(ctx, table, entry) as file:
        yield from _state_actions(file)
        yield from _adds(file)


def _state(ctx: RepositoryContext, table: str, entry: Entry) -> Iterator[NamedAction]:
    with _opened(ctx, table, entry) as file:
        yield from _state_actions(file)


def _paths_and_sizes(ctx: RepositoryContext, table: str, entry: Entry) -> Iterator[tuple[str, int]]:
    import pyarrow.compute as pc

    with _opened(ctx, table, entry) as file:
        if "add" not in file.schema_arrow.names:
            return
        for batch in file.iter_batches(columns=["add.path", "add.size"]):
            present = pc.call_function("drop_null", [batch.column("add")])
            yield from zip(present.field("path").to_pylist(), present.field("size").to_pylist(), strict=True)


@contextmanager
def _opened(ctx: RepositoryContext, table: str, entry: Entry) -> Generator[pq.ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(open_arrow(ctx, entry)) as file:
            yield file
    except NotFound as error:
        raise log_invalid(table, f"the bytes of the checkpoint {entry.path!r} are gone") from error
    except (pa.ArrowException, OSError) as error:
        raise log_invalid(table, f"the checkpoint {entry.path!r} can't be read as Parquet: {error}") from error


def _state_actions(file: pq.ParquetFile) -> Iterator[NamedAction]:
    import pyarrow.compute as pc

    names = [name for name in _STATE if name in file.schema_arrow.names]
    for batch in file.iter_batches(_BATCH_ROWS, columns=names) if names else ():
        for name in names:
            column = batch.column(name)
            present = pc.call_function("drop_null", [column])
            for action in present.to_pylist(maps_as_pydicts="strict"):
                yield name, action


def _adds(file: pq.ParquetFile) -> Iterator[NamedAction]:
    import pyarrow.compute as pc

    if "add" not in file.schema_arrow.names:
        return
    fields = [part.name for part in file.schema_arrow.field("add").type]
    kept = [name for name in fields if not name.endswith("_parsed")]
    # Statistics may be kept as columns only (delta.checkpoint.writeStatsAsJson=false).
    parsed_stats = "stats_parsed" in fields
    for batch in file.iter_batches(
        _BATCH_ROWS, columns=[f"add.{name}" for name in (*kept, *(["stats_parsed"] if parsed_stats else []))]
    ):
        present = pc.call_function("drop_null", [batch.column("add")])
        if not len(present):
            continue
        columns = {name: _values(present.field(name)) for name in kept}
        stats = columns.get("stats") or [None] * len(present)
        if parsed_stats and any(value is None for value in stats):
            columns["stats"] = [
                text if text is not None else _stats_json(parsed)
                for text, parsed in zip(stats, present.field("stats_parsed").to_pylist(), strict=True)
            ]
        names = list(columns)
        for values in zip(*columns.values(), strict=True):
            yield "add", dict(zip(names, values, strict=True))


def _values(array: pa.Array) -> list[Any]:
    import pyarrow as pa

    if array.null_count == len(array):
        return [None] * len(array)
    if pa.types.is_map(array.type):
        return _map_values(array)
    return array.to_pylist()  # type: ignore[no-any-return]


def _map_values(array: pa.MapArray) -> list[dict[str, str | None] | None]:
    """The same as `to_pylist(maps_as_pydicts=..)`, which is slow."""
    offsets = array.offsets.to_pylist()
    keys = array.keys.to_pylist()
    items = array.items.to_pylist()
    valid = array.is_valid().to_pylist()
    return [
        dict(zip(keys[start:stop], items[start:stop], strict=True)) if there else None
        for start, stop, there in zip(offsets[:-1], offsets[1:], valid, strict=True)
    ]


def _stats_json(parsed: Any) -> str | None:
    """Statistics from columns back to JSON, so that the file can be added again by a log commit."""
    if parsed is None:
        return None
    return orjson.dumps(_json_ready(parsed)).decode()


def _json_ready(value: Any) -> Any:
    match value:
        case dict():
            ready = {name: _json_ready(item) for name, item in value.items()}
            return {name: item for name, item in ready.items() if item is not None}
        case datetime.datetime():
            zone = "Z" if value.tzinfo is not None else ""
            return value.replace(tzinfo=None).isoformat(timespec="microseconds") + zone
        case datetime.date():
            return value.isoformat()
        case decimal.Decimal() | bytes():
            # A rounded bound could hide rows from readers that skip files by it; no bound hides none.
            return None
        case _:
            return value
