"""Jobs: progress, cancellation, failure, and what becomes of the jobs of a process that died."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from lakegate import jobs
from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, InvalidInput, LakegateError, NotFound, OutcomeUnknown, Refused, Unavailable
from lakegate.ids import BranchName, CommitId, JobId, RepositoryId, RepositoryName
from lakegate.jobs import JobRunner
from lakegate.metastore.sql import SqlMetaStore
from lakegate.model import Job, JobState, Progress, RepositoryInfo


def wall() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[RepositoryContext]:
    meta = SqlMetaStore(f"sqlite:///{tmp_path}/lake.db", create=True)
    info = RepositoryInfo(
        RepositoryId("r" * 32), RepositoryName("repo"), f"file://{tmp_path}/ns", BranchName("main"), 1
    )
    meta.create_repository(info, CommitId("c" * 64), "tester")
    unused = cast("Any", None)
    yield RepositoryContext(info, meta, unused, unused, unused, wall, "tester")
    meta.close()


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    made = JobRunner()
    yield made
    made.close(60)


def wait_for_end(runner: JobRunner, ctx: RepositoryContext, job: JobId, seconds: float = 60) -> Job:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = runner.get(ctx, job)
        if found.state is not JobState.RUNNING:
            return found
        time.sleep(0.01)
    raise AssertionError("the job did not end")


def steps(progress: Progress) -> Mapping[str, Any]:
    for i in range(5):
        progress(i + 1, 5)
    return {"objects": 5, "commit": "abc"}


def forever(progress: Progress) -> Mapping[str, Any]:
    for i in range(10_000):
        progress(i, None)
        time.sleep(0.005)
    raise AssertionError("was not cancelled")


def test_in_place(ctx: RepositoryContext, runner: JobRunner) -> None:
    seen: list[tuple[int, int | None]] = []
    job = runner.run(ctx, "import", steps, lambda done, total: seen.append((done, total)))
    assert (job.state, job.done, job.total, job.result) == (JobState.DONE, 5, 5, {"objects": 5, "commit": "abc"})
    assert seen == [(i, 5) for i in range(1, 6)]
    kept = runner.get(ctx, job.id)
    assert (kept.kind, kept.state, kept.done, kept.total, kept.result) == ("import", JobState.DONE, 5, 5, job.result)
    assert kept.error_code is None


def test_in_the_background(ctx: RepositoryContext, runner: JobRunner) -> None:
    gate = threading.Event()

    def work(progress: Progress) -> Mapping[str, Any]:
        gate.wait(60)
        return steps(progress)

    job = runner.start(ctx, "import", work)
    assert job.state is JobState.RUNNING
    assert runner.get(ctx, job.id).state is JobState.RUNNING
    gate.set()
    assert wait_for_end(runner, ctx, job.id).result == {"objects": 5, "commit": "abc"}


def test_a_refusal_is_recorded_and_raised(ctx: RepositoryContext, runner: JobRunner) -> None:
    def work(progress: Progress) -> Mapping[str, Any]:
        progress(3, None)
        raise InvalidInput(ErrorKind.INVALID_PATH, "The path is odd.", hint="Choose another.")

    with pytest.raises(InvalidInput):
        runner.run(ctx, "import", work)
    background = wait_for_end(runner, ctx, runner.start(ctx, "import", work).id)
    for job in (*runner.list(ctx, 10), background):
        assert (job.state, job.error_code) == (JobState.FAILED, "invalid_path")
        assert (job.error_message, job.error_hint) == ("The path is odd. Choose another.", "Choose another.")
        assert job.done == 3


def test_a_fault_is_recorded(ctx: RepositoryContext, runner: JobRunner) -> None:
    def work(progress: Progress) -> Mapping[str, Any]:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        runner.run(ctx, "export", work)
    job = runner.list(ctx, 1)[0]
    assert (job.state, job.error_code, job.error_message) == (JobState.FAILED, "internal", "RuntimeError: boom")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("import", "Nothing was committed; start it again."),
        ("export", "What was written is there; started again, it goes on where it stopped."),
        ("verify", "Start it again."),
    ],
)
def test_cancel(ctx: RepositoryContext, runner: JobRunner, kind: str, said: str) -> None:
    job = runner.start(ctx, kind, forever)
    runner.cancel(ctx, job.id)
    ended = wait_for_end(runner, ctx, job.id)
    assert (ended.state, ended.error_code) == (JobState.CANCELLED, "cancelled")
    assert ended.error_message == f"The job {job.id} ({kind}) was cancelled. {said}"
    with pytest.raises(Refused) as caught:
        runner.cancel(ctx, job.id)
    assert caught.value.kind is ErrorKind.JOB_NOT_RUNNING
    with pytest.raises(NotFound) as missing:
        runner.cancel(ctx, JobId("nothing"))
    assert missing.value.kind is ErrorKind.JOB_NOT_FOUND


def test_cancel_from_another_process(
    ctx: RepositoryContext, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_REPORT_MS", 10)
    job = runner.start(ctx, "import", forever)
    other = JobRunner()
    other.cancel(ctx, job.id)
    assert wait_for_end(runner, ctx, job.id).state is JobState.CANCELLED


def test_interrupting_an_in_place_job(ctx: RepositoryContext, runner: JobRunner) -> None:
    def work(progress: Progress) -> Mapping[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(ctx, "import", work)
    assert runner.list(ctx, 1)[0].state is JobState.CANCELLED


def test_progress_is_written_seldom(ctx: RepositoryContext, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000
    writes = 0
    original = SqlMetaStore.update_job

    def counted(self: SqlMetaStore, *args: Any, **named: Any) -> bool:
        nonlocal writes
        writes += 1
        return original(self, *args, **named)

    def work(progress: Progress) -> Mapping[str, Any]:
        nonlocal now
        for i in range(10_000):
            progress(i, 10_000)
            now += 1 if i != 7_000 else -3_600_000  # the machine's clock is put back
        return {}

    monkeypatch.setattr(SqlMetaStore, "update_job", counted)
    monkeypatch.setattr(jobs, "HEARTBEAT_SECONDS", 3600)
    JobRunner(lambda: now).run(ctx, "import", work)
    assert writes == 15 + 6 + 1  # at 0, 500, ... 7,000; at 7,001, 7,501, ... 9,501; the end


@pytest.mark.parametrize(
    "fault",
    [
        Unavailable(ErrorKind.DATABASE_LOCKED, "The database is locked."),
        OutcomeUnknown("The connection broke during a commit."),
    ],
    ids=["busy", "unknown"],
)
def test_a_database_that_fails_does_not_stop_the_work(
    ctx: RepositoryContext, runner: JobRunner, monkeypatch: pytest.MonkeyPatch, fault: LakegateError
) -> None:
    original = SqlMetaStore.update_job
    failures = iter([True] * 3)

    def flaky(self: SqlMetaStore, *args: Any, **named: Any) -> bool:
        if next(failures, False):
            raise fault
        return original(self, *args, **named)

    monkeypatch.setattr(SqlMetaStore, "update_job", flaky)
    job = runner.run(ctx, "import", steps)
    assert job.state is JobState.DONE
    assert runner.get(ctx, job.id).result == {"objects": 5, "commit": "abc"}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("import", "What it committed stands; start it again where its commit is missing in the branch's log."),
        ("export", "What was written is there; started again, it goes on where it stopped."),
        ("verify", "Start it again."),
    ],
)
def test_jobs_of_a_dead_process(ctx: RepositoryContext, runner: JobRunner, kind: str, said: str) -> None:
    old, now = wall() - jobs.STALE_MS - 1, wall()
    ctx.meta.create_job(ctx.info.id, Job(JobId("dead"), kind, JobState.RUNNING, 7, None, old, old))
    ctx.meta.create_job(ctx.info.id, Job(JobId("alive"), "import", JobState.RUNNING, 7, None, old, now))
    ctx.meta.create_job(ctx.info.id, Job(JobId("done"), "import", JobState.DONE, 7, None, old, old))
    assert runner.fail_stale(ctx) == 1
    dead = runner.get(ctx, JobId("dead"))
    assert (dead.state, dead.error_code, dead.done) == (JobState.FAILED, "internal", 7)
    assert dead.error_message == f"The process that ran the job went away before it ended. {said}"
    assert runner.get(ctx, JobId("alive")).state is JobState.RUNNING
    assert runner.get(ctx, JobId("done")).state is JobState.DONE
    later = JobRunner(clock=lambda: wall() + jobs.STALE_MS + 1000)
    assert later.get(ctx, JobId("alive")).state is JobState.FAILED


def test_a_silent_job_stays_alive_by_its_heartbeat(
    ctx: RepositoryContext, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT_SECONDS", 0.05)
    gate = threading.Event()

    def silent(progress: Progress) -> Mapping[str, Any]:
        gate.wait(60)
        return {}

    job = runner.start(ctx, "import", silent)
    before = runner.get(ctx, job.id).updated
    deadline = time.monotonic() + 60
    while runner.get(ctx, job.id).updated <= before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert runner.get(ctx, job.id).updated > before
    gate.set()
    assert wait_for_end(runner, ctx, job.id).state is JobState.DONE


def test_close_stops_what_runs(ctx: RepositoryContext) -> None:
    runner = JobRunner()
    job = runner.start(ctx, "import", forever)
    runner.close(60)
    assert runner.get(ctx, job.id).state is JobState.CANCELLED
    with pytest.raises(Unavailable):
        runner.start(ctx, "import", forever)
