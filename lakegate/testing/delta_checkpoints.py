"""Checkpoints of every form that the Delta protocol has, made of a table in a folder; the commits behind them go."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakegate.testing.delta_check import CheckedLog, check_log

if TYPE_CHECKING:
    import pyarrow as pa


def classic(folder: Path) -> None:
    """One Parquet file, as deltalake writes it."""
    from deltalake import DeltaTable

    DeltaTable(str(folder)).create_checkpoint()


def multi_part(folder: Path) -> None:
    """Two Parquet files, each with every other row of the classic one (Delta protocol, Multi-part checkpoint)."""
    import pyarrow.parquet as pq

    whole, version = _taken(folder)
    log = folder / "_delta_log"
    for part in (1, 2):
        rows = whole.take(list(range(part - 1, whole.num_rows, 2)))
        pq.write_table(rows, log / f"{version:020d}.checkpoint.{part:010d}.{2:010d}.parquet")
    hint = {"version": version, "size": whole.num_rows, "parts": 2}
    (log / "_last_checkpoint").write_text(json.dumps(hint))


def v2_parquet(folder: Path) -> None:
    """A Parquet file that names two sidecars with the live files (Delta protocol, V2 spec)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    version, whole, named = _v2(folder)
    # Protocol and metadata keep the types of the classic checkpoint, about which readers are strict; a row of a file
    # has neither.
    rows = [whole[name].is_valid().index(True).as_py() for name in ("add", "protocol", "metaData")]
    table = whole.select(["protocol", "metaData"]).take([rows[0]] * len(named) + rows[1:])
    for name in ("checkpointMetadata", "sidecar"):
        table = table.append_column(name, pa.array([*(line.get(name) for line in named), None, None]))
    pq.write_table(table, folder / "_delta_log" / f"{version:020d}.checkpoint.{uuid.uuid4()}.parquet")


def v2_json(folder: Path) -> None:
    """The same as lines of JSON."""
    log = check_log(folder)
    version, _, named = _v2(folder)
    lines = [*named, {"protocol": log.protocol}, {"metaData": log.metadata}]
    file = folder / "_delta_log" / f"{version:020d}.checkpoint.{uuid.uuid4()}.json"
    file.write_text("\n".join(json.dumps(line) for line in lines))


FORMS: dict[str, Callable[[Path], None]] = {
    "V1": classic,
    "multi-part": multi_part,
    "V2 in Parquet, with sidecars": v2_parquet,
    "V2 in JSON, with sidecars": v2_json,
}


def expire(folder: Path, aside: Path) -> None:
    """Moves all commits away, into `aside`: only the checkpoint tells what they did."""
    aside.mkdir()
    for file in (folder / "_delta_log").glob(f"{'[0-9]' * 20}.json"):
        file.rename(aside / file.name)


def check_expired_log(folder: Path, aside: Path, scratch: Path) -> CheckedLog:
    """Checks the log of a table together with the commits that have expired; see `check_log`."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(folder, scratch)
    shutil.copytree(aside, scratch / "_delta_log", dirs_exist_ok=True)
    return check_log(scratch)


def _taken(folder: Path) -> tuple[pa.Table, int]:
    """The classic checkpoint, which goes, and its version."""
    import pyarrow.parquet as pq

    classic(folder)
    (file,) = (folder / "_delta_log").glob("*.checkpoint.parquet")
    whole = pq.read_table(file)
    file.unlink()
    (folder / "_delta_log" / "_last_checkpoint").unlink()
    return whole, int(file.name[:20])


def _v2(folder: Path) -> tuple[int, pa.Table, list[dict[str, Any]]]:
    """The version, the rows of its classic checkpoint, and the actions of a V2 one that name two sidecars."""
    import pyarrow.parquet as pq

    whole, version = _taken(folder)
    sidecars = folder / "_delta_log" / "_sidecars"
    sidecars.mkdir()
    adds = whole.select(["add"]).filter(whole["add"].is_valid())
    named: list[dict[str, Any]] = [{"checkpointMetadata": {"version": version}}]
    for part in (0, 1):
        name = f"{uuid.uuid4()}.parquet"
        pq.write_table(adds.take(list(range(part, adds.num_rows, 2))), sidecars / name)
        size = (sidecars / name).stat().st_size
        named.append({"sidecar": {"path": name, "sizeInBytes": size, "modificationTime": 1}})
    return version, whole, named
