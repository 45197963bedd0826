"""What every repository must do with imports, exports and the jobs they run as."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lakegate.errors import ErrorKind, InvalidInput, NotFound, Refused
from lakegate.ids import JobId
from lakegate.interface import Repository
from lakegate.model import CommitRequest, ExportRequest, ImportKind, ImportRequest, ImportSource, Job, JobState
from lakegate.objectstore.keys import TEMPORARY_PREFIX
from lakegate.objectstore.unfinished import make_held
from lakegate.testing.contract_work import commit, content, refused
from lakegate.testing.delta import add, log_body, metadata, protocol

_WAIT_SECONDS = 60.0
_MANY = 8000


def prefix_import(folder: Path, destination: str = "in/", **changes: bool) -> ImportRequest:
    source = ImportSource(ImportKind.PREFIX, str(folder), destination)
    return ImportRequest((source,), CommitRequest("imported", {"k": "v"}), **changes)


def ended(repo: Repository, job: Job) -> Job:
    """Waits for a job to end."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while job.state is JobState.RUNNING:
        assert time.monotonic() < deadline, job
        time.sleep(0.01)
        job = repo.job(job.id)
    return job


class JobsContract:
    """The contract of `lakegate.interface.Repository` for imports, exports and jobs."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder with three files."""
        folder = tmp_path / "source ü"
        for name in ("a.txt", "b c.txt", "deep/d.txt"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"bytes of {name}")
        return folder

    @pytest.fixture
    def crowd(self, tmp_path: Path) -> Path:
        """A folder with so many files that an import can be met while it runs."""
        folder = tmp_path / "crowd"
        folder.mkdir()
        for number in range(_MANY):
            (folder / f"{number:05}").touch()
        return folder

    # -- import -------------------------------------------------------------------------------------------------------

    def test_an_import_is_a_commit(self, repo: Repository, folder: Path) -> None:
        seen: list[int] = []
        job = repo.import_("main", prefix_import(folder), lambda done, total: seen.append(done))
        assert (job.kind, job.state, job.error_code) == ("import", JobState.DONE, None)
        assert (job.result["objects"], job.result["commit"]) == (3, repo.branch("main").commit)
        assert seen[-1] == job.done == 3
        made = repo.commit_of("main")
        assert (made.message, made.metadata["k"]) == ("imported", "v")
        assert content(repo, "main") == {f"in/{n}": f"bytes of {n}" for n in ("a.txt", "b c.txt", "deep/d.txt")}
        entry = repo.stat("main", "in/a.txt")
        assert entry.address.startswith("file:///")
        assert entry.digest is None

    def test_an_import_of_one_object(self, repo: Repository, folder: Path) -> None:
        source = ImportSource(ImportKind.OBJECT, str(folder / "a.txt"), "x/y")
        repo.import_("main", ImportRequest((source,), CommitRequest("one")))
        assert content(repo, "main") == {"x/y": "bytes of a.txt"}

    def test_an_import_that_mirrors(self, repo: Repository, folder: Path) -> None:
        commit(repo, "main", {"in/old": "1", "other": "2"})
        job = repo.import_("main", prefix_import(folder, replace=True))
        assert job.result["removed"] == 1
        assert set(content(repo, "main")) == {"in/a.txt", "in/b c.txt", "in/deep/d.txt", "other"}

    def test_a_dry_run_counts(self, repo: Repository, folder: Path) -> None:
        before = repo.branch("main")
        job = repo.import_("main", prefix_import(folder, dry_run=True))
        assert (job.state, job.result["objects"], job.result["commit"]) == (JobState.DONE, 3, None)
        assert repo.branch("main") == before

    def test_imports_that_are_refused(self, repo: Repository, folder: Path, tmp_path: Path) -> None:
        with refused(NotFound, ErrorKind.BRANCH_NOT_FOUND):
            repo.import_("none", prefix_import(folder))
        with pytest.raises(NotFound) as caught:
            repo.import_("main", prefix_import(tmp_path / "nothing"))
        assert caught.value.kind is ErrorKind.OBJECT_NOT_FOUND
        with pytest.raises(InvalidInput):
            repo.import_("main", prefix_import(Path("relative")))
        with pytest.raises(InvalidInput):
            repo.import_("main", ImportRequest((), CommitRequest("none")))
        repo.put("main", "dirty", b"x")
        with pytest.raises(Refused) as dirty:
            repo.import_("main", prefix_import(folder))
        assert dirty.value.kind is ErrorKind.DIRTY_BRANCH
        assert content(repo, "main") == {"dirty": "x"}
        failed = repo.jobs()[0]
        assert (failed.state, failed.error_code) == (JobState.FAILED, ErrorKind.DIRTY_BRANCH)
        assert failed.error_message

    def test_an_import_in_the_background(self, repo: Repository, folder: Path) -> None:
        job = ended(repo, repo.start_import("main", prefix_import(folder)))
        assert (job.state, job.result["commit"]) == (JobState.DONE, repo.branch("main").commit)
        assert job.id in [found.id for found in repo.jobs()]
        assert repo.jobs(1) == (repo.job(repo.jobs()[0].id),)
        with refused(Refused, ErrorKind.JOB_NOT_RUNNING):
            repo.cancel_job(job.id)

    def test_a_cancelled_job_commits_nothing(self, repo: Repository, crowd: Path) -> None:
        for attempt in range(20):  # an import may be over before its cancellation comes
            before = repo.branch("main")
            job = repo.start_import("main", prefix_import(crowd, f"in{attempt}/"))
            with suppress(Refused):
                repo.cancel_job(job.id)
            job = ended(repo, job)
            if job.state is not JobState.DONE:
                assert (job.state, job.error_code) == (JobState.CANCELLED, ErrorKind.CANCELLED)
                assert repo.branch("main") == before
                return
        raise AssertionError("no import was met running")

    def test_progress_may_stop_an_import(self, repo: Repository, crowd: Path) -> None:
        def stop(done: int, total: int | None) -> None:
            raise Refused(ErrorKind.CANCELLED, "Enough.", hint="Start it again.")

        for attempt in range(20):  # a client may ask for the first report when an import is over
            before, stopped = repo.branch("main"), None
            try:
                repo.import_("main", prefix_import(crowd, f"in{attempt}/"), stop)
            except Refused as error:
                stopped = error.kind
            if stopped is not None:
                assert stopped is ErrorKind.CANCELLED
                assert repo.branch("main") == before
                assert ended(repo, repo.jobs()[0]).state is JobState.CANCELLED
                return
        raise AssertionError("no import was met running")

    def test_jobs_that_are_not_there(self, repo: Repository) -> None:
        assert repo.jobs() == ()
        for job in ("none", "", "0" * 32):
            with refused(NotFound, ErrorKind.JOB_NOT_FOUND):
                repo.job(JobId(job))
            with refused(NotFound, ErrorKind.JOB_NOT_FOUND):
                repo.cancel_job(JobId(job))

    # -- export -------------------------------------------------------------------------------------------------------

    def test_an_export_is_plain_files(self, repo: Repository, tmp_path: Path) -> None:
        made = commit(repo, "main", {"a/b ü": "1", "c": "2", "a/_delta_log/x": "3"})
        repo.put("main", "uncommitted", b"stays away")
        seen: list[int] = []
        job = repo.export(ExportRequest("main", str(tmp_path / "out")), lambda done, total: seen.append(done))
        assert (job.kind, job.state, job.done) == ("export", JobState.DONE, 3)
        assert dict(job.result) == {"commit": made.id, "objects": 3, "bytes": 3, "skipped": 0}
        assert seen[-1] == 3
        assert self._files(tmp_path / "out") == {"a/b ü": "1", "c": "2", "a/_delta_log/x": "3"}
        again = repo.export(ExportRequest("main", str(tmp_path / "out")))
        assert dict(again.result) == {"commit": made.id, "objects": 0, "bytes": 0, "skipped": 3}

    def test_an_export_of_a_prefix(self, repo: Repository, tmp_path: Path) -> None:
        commit(repo, "main", {"a/b/1": "1", "a/b/2": "2", "a/bc": "3"})
        repo.export(ExportRequest("main", str(tmp_path / "folder"), "a/b"))
        assert self._files(tmp_path / "folder") == {"1": "1", "2": "2"}
        repo.export(ExportRequest("main", str(tmp_path / "one"), "a/b/1"))
        assert self._files(tmp_path / "one") == {"1": "1"}
        with refused(NotFound, ErrorKind.OBJECT_NOT_FOUND):
            repo.export(ExportRequest("main", str(tmp_path / "none"), "nothing/"))

    def test_a_dry_run_writes_nothing(self, repo: Repository, tmp_path: Path) -> None:
        commit(repo, "main", {"a": "1"})
        job = repo.export(ExportRequest("main", str(tmp_path / "out"), dry_run=True))
        assert job.result["objects"] == 1
        assert not (tmp_path / "out").exists()

    def test_an_export_that_was_cut_off_goes_on(self, repo: Repository, folder: Path, tmp_path: Path) -> None:
        """Without `overwrite`: what is there with the right bytes is done, also of objects without a digest."""
        repo.import_("main", prefix_import(folder))
        log = {"t/_delta_log/x": "of a log"}
        commit(repo, "main", {"a": "1", "c": "2", **{f"many/{n:02}": str(n) for n in range(40)}, **log})
        whole, cut = tmp_path / "whole", tmp_path / "cut"
        repo.export(ExportRequest("main", str(whole)))
        for name in ("a", "in/a.txt", "many/07"):
            (cut / name).parent.mkdir(parents=True, exist_ok=True)
            (cut / name).write_bytes((whole / name).read_bytes())
        halves = [cut / f"{TEMPORARY_PREFIX}1", cut / f"t/_delta_log/{TEMPORARY_PREFIX}1"]
        for half in halves:
            half.parent.mkdir(parents=True, exist_ok=True)
            half.write_text("half of")
        held, beside = make_held(str(cut / "many"))  # by an export that runs beside this one
        seen: list[int] = []
        repo.export(ExportRequest("main", str(cut), dry_run=True))
        assert all(half.exists() for half in halves)
        with os.fdopen(held, "wb"):
            job = repo.export(ExportRequest("main", str(cut)), lambda done, total: seen.append(done))
        assert (job.result["objects"], job.result["skipped"]) == (43, 3)
        assert seen == sorted(seen)
        assert not any(half.exists() for half in halves)
        Path(beside).unlink()
        assert self._files(cut) == self._files(whole)
        (cut / "in/a.txt").write_text("BYTES OF A.TXT")
        with refused(Refused, ErrorKind.DESTINATION_NOT_EMPTY):
            repo.export(ExportRequest("main", str(cut)))

    def test_of_a_log_the_commits_come_after_what_they_need(self, repo: Repository, tmp_path: Path) -> None:
        log = "t/_delta_log"
        first, sidecar = f"{log}/{0:020}.json", f"{log}/_sidecars/x.parquet"
        files = {
            first: log_body(protocol(), metadata(), add("a")).decode(),
            sidecar: "of a checkpoint",
            "t/a": "1" * 10,
        }
        commit(repo, "main", files)
        seen: list[set[str]] = []
        out = tmp_path / "out"
        repo.export(ExportRequest("main", str(out)), lambda done, total: seen.append(set(self._files(out))))
        for state in seen:
            assert "t/a" in state or sidecar not in state
            assert sidecar in state or first not in state
        assert self._files(out) == files
        part = tmp_path / "part"
        repo.export(ExportRequest("main", str(part), f"{log}/_sidecars/"))
        assert self._files(part) == {"x.parquet": "of a checkpoint"}

    def test_other_files_are_kept(self, repo: Repository, tmp_path: Path) -> None:
        commit(repo, "main", {"a": "1"})
        (tmp_path / "b").write_text("mine")
        with refused(Refused, ErrorKind.DESTINATION_NOT_EMPTY):
            repo.export(ExportRequest("main", str(tmp_path)))
        assert self._files(tmp_path) == {"b": "mine"}
        repo.export(ExportRequest("main", str(tmp_path), overwrite=True))
        assert self._files(tmp_path) == {"a": "1", "b": "mine"}

    def test_exports_that_are_refused(self, repo: Repository, tmp_path: Path) -> None:
        commit(repo, "main", {"a": "1"})
        with refused(NotFound, ErrorKind.REF_NOT_FOUND):
            repo.export(ExportRequest("none", str(tmp_path / "out")))
        with refused(InvalidInput, ErrorKind.INVALID_ARGUMENT):
            repo.export(ExportRequest("main", ""))

    def _files(self, folder: Path) -> dict[str, str]:
        files = (file for file in folder.rglob("*") if file.is_file())
        return {file.relative_to(folder).as_posix(): file.read_text() for file in files}
