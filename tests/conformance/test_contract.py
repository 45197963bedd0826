"""The contract of `lakegate.interface` on a lake in a folder and on a lake behind a server."""

from __future__ import annotations

import pytest

from lakegate.interface import Lake, Repository
from lakegate.testing.contract_changes import ChangesContract
from lakegate.testing.contract_jobs import JobsContract
from lakegate.testing.contract_lake import LakeContract
from lakegate.testing.contract_merge import MergeContract
from lakegate.testing.contract_objects import ObjectsContract
from lakegate.testing.contract_pins import PinsContract
from lakegate.testing.contract_refs import RefsContract
from lakegate.testing.contract_rows import RowsContract
from lakegate.testing.contract_tables import TablesContract
from lakegate.testing.contract_uploads import NoUploadsContract, UploadsContract
from lakegate.testing.contract_work import fresh_name


@pytest.fixture
def repo(lake: Lake) -> Repository:
    """A new repository with one branch, `main`, at its empty first commit."""
    return lake.repository(lake.create_repository(fresh_name()).name)


class TestLake(LakeContract):
    pass


class TestRefs(RefsContract):
    pass


class TestObjects(ObjectsContract):
    pass


class TestChanges(ChangesContract):
    pass


class TestMerge(MergeContract):
    pass


class TestTables(TablesContract):
    pass


class TestRows(RowsContract):
    pass


class TestPins(PinsContract):
    pass


class TestJobs(JobsContract):
    pass


@pytest.mark.parametrize("lake", ["embedded"], indirect=True)
class TestUploads(UploadsContract):
    pass


@pytest.mark.parametrize("lake", ["http"], indirect=True)
class TestUploadsOverHttp(NoUploadsContract):
    pass
