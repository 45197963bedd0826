"""Long work: its progress, its end and its cancellation, kept in the database where every server of the lake sees them.

A running job's row is touched every few seconds by the process that works on it (its heartbeat), whatever the work
does. A row that says "running" and was not touched for `STALE_MS` belongs to a process that died; whoever sees it first
marks it failed. Touching needs no owner, host or process id, so that it holds for several servers on several machines,
as long as their clocks agree to half a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

from lakegate.context import RepositoryContext
from lakegate.errors import ErrorKind, LakegateError, NotFound, OutcomeUnknown, Refused, Unavailable
from lakegate.ids import JobId, new_id
from lakegate.model import Job, JobState, Progress

Work = Callable[[Progress], Mapping[str, Any]]
"""Does the job: reports progress to what it is given (which raises Refused(CANCELLED)), and returns the result."""

HEARTBEAT_SECONDS = 5.0
STALE_MS = 60_000
_REPORT_MS = 500
_ENDING_TRIES = 5
_RESUMED = "What was written is there; started again, it goes on where it stopped."
_WHEN_CANCELLED = {"import": "Nothing was committed; start it again.", "export": _RESUMED}
_WHEN_LOST = {
    "import": "What it committed stands; start it again where its commit is missing in the branch's log.",
    "export": _RESUMED,
}
_AGAIN = "Start it again."

_log = logging.getLogger(__name__)


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


class JobRunner:
    """Runs jobs, in the background or in place. One for each open lake; thread-safe.

    `clock`, in ms, is the one that the database stamps rows with.
    """

    def __init__(self, clock: Callable[[], int] = _wall_clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[JobId, tuple[_Running, threading.Thread]] = {}
        self._closed = False

    def start(self, ctx: RepositoryContext, kind: str, work: Work) -> Job:
        """Starts a job in a thread of its own and returns it as it stands now. Raises Unavailable."""
        running = _Running(ctx, kind, None, self._clock)
        thread = threading.Thread(target=self._in_thread, args=(running, work), name=f"lakegate-{kind}", daemon=True)
        with self._lock:
            if self._closed:
                raise Unavailable(
                    ErrorKind.SERVER_UNAVAILABLE,
                    "The lake is being closed, so no new job can start.",
                    hint="Try again after its restart.",
                )
            running.create()
            self._running[running.job.id] = (running, thread)
            thread.start()
        return running.job

    def run(self, ctx: RepositoryContext, kind: str, work: Work, progress: Progress | None = None) -> Job:
        """Runs a job in place and returns it ended. Raises what the work raised, after it was recorded."""
        running = _Running(ctx, kind, progress, self._clock)
        running.create()
        return running.run(work)

    def get(self, ctx: RepositoryContext, job: JobId) -> Job:
        """Raises NotFound(JOB_NOT_FOUND)."""
        found = ctx.meta.get_job(ctx.info.id, job)
        if found is None:
            raise NotFound(ErrorKind.JOB_NOT_FOUND, f"There is no job {job!r}.", hint="`lakegate job list` lists them.")
        return self._settle(ctx, found)

    def list(self, ctx: RepositoryContext, amount: int) -> tuple[Job, ...]:
        """Newest first."""
        return tuple(self._settle(ctx, job) for job in ctx.meta.list_jobs(ctx.info.id, amount))

    def cancel(self, ctx: RepositoryContext, job: JobId) -> None:
        """Asks a job to stop, in whatever process it runs. Raises NotFound(JOB_NOT_FOUND), Refused(JOB_NOT_RUNNING)."""
        found = self.get(ctx, job)
        if found.state is not JobState.RUNNING or not ctx.meta.cancel_job(ctx.info.id, job):
            raise Refused(
                ErrorKind.JOB_NOT_RUNNING,
                f"The job {job!r} is not running: it is {self.get(ctx, job).state.value}.",
                hint="Only running jobs can be cancelled.",
            )
        with self._lock:
            here = self._running.get(job)
        if here is not None:
            here[0].cancelled.set()

    def fail_stale(self, ctx: RepositoryContext) -> int:
        """Marks the newest jobs that a dead process left running as failed; returns how many. For when a lake opens."""
        jobs = ctx.meta.list_jobs(ctx.info.id, 1000)
        return sum(
            self._settle(ctx, job).state is not JobState.RUNNING for job in jobs if job.state is JobState.RUNNING
        )

    def close(self, timeout: float = 30.0) -> None:
        """Asks the jobs of this process to stop, and waits for them, at most `timeout` seconds in all."""
        with self._lock:
            self._closed = True
            running = list(self._running.values())
        for job, _ in running:
            job.cancelled.set()
        deadline = time.monotonic() + timeout
        for job, thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                _log.warning("the job %s (%s) did not stop within %s s", job.job.id, job.job.kind, timeout)

    def _settle(self, ctx: RepositoryContext, job: Job) -> Job:
        """Marks a job failed where its process has died, and returns it as it is then."""
        if job.state is not JobState.RUNNING or self._clock() - job.updated < STALE_MS:
            return job
        hint = _WHEN_LOST.get(job.kind, _AGAIN)
        message = f"The process that ran the job went away before it ended. {hint}"
        error = (ErrorKind.INTERNAL.value, message, hint)
        ctx.meta.update_job(ctx.info.id, job.id, state=JobState.FAILED, error=error)
        return ctx.meta.get_job(ctx.info.id, job.id) or job

    def _in_thread(self, running: _Running, work: Work) -> None:
        try:
            running.run(work)
        except Exception:  # noqa: BLE001 - recorded with the job; nobody waits for this thread
            _log.debug("the job %s ended with an error", running.job.id, exc_info=True)
        finally:
            with self._lock:
                self._running.pop(running.job.id, None)


class _Running:
    """One job of this process while it runs."""

    def __init__(self, ctx: RepositoryContext, kind: str, progress: Progress | None, clock: Callable[[], int]) -> None:
        now = clock()
        self._clock = clock
        self.job = Job(JobId(new_id()), kind, JobState.RUNNING, 0, None, now, now)
        self.cancelled = threading.Event()
        self._ctx = ctx
        self._outer = progress
        self._done = 0
        self._total: int | None = None
        self._reported = 0

    def create(self) -> None:
        """Records the job as running."""
        self._ctx.meta.create_job(self._ctx.info.id, self.job)

    def run(self, work: Work) -> Job:
        """Does the work and records how it ended. Raises what it raised."""
        try:
            with _Heartbeat(self.touch):
                result = dict(work(self.progress))
        except BaseException as error:
            state, told = _outcome(error)
            if state is JobState.FAILED and told[0] == ErrorKind.INTERNAL:
                _log.exception("the job %s (%s) failed", self.job.id, self.job.kind)
            self._end(state, {}, told)
            raise
        return self._end(JobState.DONE, result, None)

    def progress(self, done: int, total: int | None) -> None:
        """Takes a report of the work; writes it down at most twice a second. Raises Refused(CANCELLED)."""
        self._done, self._total = done, total
        if self._outer is not None:
            self._outer(done, total)
        now = self._clock()
        if not 0 <= now - self._reported < _REPORT_MS:  # also where the clock was put back
            self._reported = now
            self.touch()
        if self.cancelled.is_set():
            raise Refused(
                ErrorKind.CANCELLED,
                f"The job {self.job.id} ({self.job.kind}) was cancelled.",
                hint=_WHEN_CANCELLED.get(self.job.kind, _AGAIN),
            )

    def touch(self) -> None:
        """Tells the database that the job lives and how far it is, and learns whether it is to stop."""
        try:
            asked = self._ctx.meta.update_job(self._ctx.info.id, self.job.id, done=self._done, total=self._total)
        except (Unavailable, OutcomeUnknown) as error:
            # A database that is busy or gone for a while must not stop the work: the next report may come through.
            _log.info("the progress of job %s could not be recorded: %s", self.job.id, error)
            return
        if asked:
            self.cancelled.set()

    def _end(self, state: JobState, result: Mapping[str, Any], error: tuple[str, str, str] | None) -> Job:
        ended = replace(
            self.job,
            state=state,
            done=self._done,
            total=self._total,
            updated=self._clock(),
            result=result,
            error_code=error[0] if error else None,
            error_message=error[1] if error else None,
            error_hint=error[2] if error else "",
        )
        for attempt in range(_ENDING_TRIES):
            try:
                self._ctx.meta.update_job(
                    self._ctx.info.id,
                    self.job.id,
                    done=self._done,
                    total=self._total,
                    state=state,
                    result=result,
                    error=error,
                )
            except (Unavailable, OutcomeUnknown) as fault:
                # The work itself has ended as it has: its outcome is not changed by a row that can't be written.
                _log.warning("the end of job %s could not be recorded: %s", self.job.id, fault)
                time.sleep(0.1 * 2**attempt)
            else:
                break
        return ended


class _Heartbeat:
    """Calls `beat` every few seconds while its block runs."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="lakegate-heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                self._beat()
            except Exception:  # noqa: BLE001 - the work goes on without its heartbeat
                _log.exception("a job's heartbeat failed")


def _outcome(error: BaseException) -> tuple[JobState, tuple[str, str, str]]:
    """How a job ended that raised: its state, and code, message with hint, and hint."""
    if isinstance(error, LakegateError):
        cancelled = error.kind is ErrorKind.CANCELLED
        return JobState.CANCELLED if cancelled else JobState.FAILED, (error.kind.value, str(error), error.hint)
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return JobState.CANCELLED, (ErrorKind.CANCELLED.value, "The process that ran the job was stopped.", "")
    return JobState.FAILED, (ErrorKind.INTERNAL.value, f"{type(error).__name__}: {error}", "")
