"""The command line as a person and a program use it, on a lake in a folder."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lakegate.repository import EmbeddedRepository
from lakegate_cli.output import show_table

pytestmark = pytest.mark.usefixtures("lakegate")


def test_branch_commit_merge_and_roll_back(lakegate: Any) -> None:
    lakegate("put", "-", "sales/main/a/f.txt", stdin=b"one")
    assert lakegate("status", "sales/main") == "change\tpath\nadded\ta/f.txt\n"
    lakegate("commit", "sales/main", "-m", "first", "--meta", "run=7")
    lakegate("branch", "create", "sales/exp")
    lakegate("put", "-", "sales/exp/a/f.txt", stdin=b"two")
    lakegate("commit", "sales/exp", "-m", "second")
    assert lakegate("cat", "sales/main/a/f.txt") == "one"
    assert lakegate("diff", "sales/main", "exp") == "change\tpath\nchanged\ta/f.txt\n"
    assert lakegate("merge", "sales/exp", "--into", "main", "--dry-run").startswith("Would merge: 0 objects added")
    lakegate("merge", "sales/exp", "--into", "main")
    assert lakegate("cat", "sales/main/a/f.txt") == "two"
    assert lakegate("status", "sales/main") == "Nothing is uncommitted on main.\n"
    lakegate("rollback", "sales/main", "--to", "main~1")
    assert lakegate("cat", "sales/main/a/f.txt") == "one"
    history = lakegate.json("log", "sales/main")["results"]
    assert [c["message"] for c in history][1:] == ["Merge exp into main", "second", "first", "Repository created"]
    assert history[3]["metadata"] == {"run": "7"}
    assert lakegate.json("show", "sales/main")["id"] == history[0]["id"]
    assert "\nobjects   1 (3 B)\n" in lakegate("show", "sales/main")


def test_revert_and_cherry_pick(lakegate: Any) -> None:
    lakegate("branch", "create", "sales/exp")
    lakegate("put", "-", "sales/exp/a", stdin=b"one")
    lakegate("commit", "sales/exp", "-m", "a comes")
    lakegate("cherry-pick", "sales/main", "exp")
    assert lakegate("cat", "sales/main/a") == "one"
    made = lakegate.json("revert", "sales/main", "main", "-m", "a goes")
    assert made["message"] == "a goes"
    lakegate("cat", "sales/main/a", status=1)


def test_a_conflict_ends_with_status_3_and_says_how_to_settle_it(lakegate: Any) -> None:
    lakegate("branch", "create", "sales/exp")
    for branch in ("main", "exp"):
        lakegate("put", "-", f"sales/{branch}/a", stdin=branch.encode())
        lakegate("commit", f"sales/{branch}", "-m", branch)
    lakegate("merge", "sales/exp", "--into", "main", status=3)
    assert "--take source:a" in lakegate.errors
    body = lakegate.json("merge", "sales/exp", "--into", "main", status=3)
    assert (body["code"], body["conflicts"][0]["path"]) == ("merge_conflict", "a")
    planned = lakegate.json("merge", "sales/exp", "--dry-run", status=3)
    assert planned["conflicts"][0]["type"] == "object_changed"
    lakegate("merge", "sales/exp", "--into", "main", "--take", "source:a")
    assert lakegate("cat", "sales/main/a") == "exp"


def test_refusals_end_with_status_1_in_one_line(lakegate: Any) -> None:
    lakegate("commit", "sales/main", "-m", "x", status=1)
    assert lakegate.errors.count("\n") == 1
    assert lakegate.json("cat", "sales/main/none", status=1)["code"] == "object_not_found"
    lakegate("put", "nowhere", "sales/main/a", status=1)
    lakegate("--home", "elsewhere", "repo", "list", status=1)
    assert re.search(r"`lakegate init --home [^`]*elsewhere`", lakegate.errors)
    lakegate("gc", status=1)
    assert "`lakegate gc` is not offered" in lakegate.errors


@pytest.mark.parametrize(
    "args",
    [
        ("nonsense",),
        ("commit", "sales/main"),
        ("log", "sales/main", "--amount", "none"),
        ("log", "sales/main", "--amount", "0"),
        ("pin",),
        ("branch", "reset", "sales/main", "--to", "main", "--path", "a"),
        ("diff", "sales/main", "main", "--key", "id"),
        ("diff", "sales/main", "main", "--table", "t"),
        ("diff", "sales/main", "main", "--profile", "--limit", "5"),
        ("diff", "sales/main", "main", "--rows", "--limit", "5", "--output", "rows.csv"),
        ("table", "diff", "sales/main", "main", "--partitions", "--output", "rows.csv"),
        ("merge", "sales/main", "--key", "id"),
        ("merge", "sales/main", "--take", "source:t", "--prefer", "source"),
        ("merge", "sales/main", "--newest", "at"),
        ("--home", "lake", "log", "sales/main", "--lake", "http://127.0.0.1:1"),
        ("serve", "--home", "lake", "--lake", "lake"),
    ],
)
def test_bad_usage_ends_with_status_2(lakegate: Any, args: tuple[str, ...]) -> None:
    lakegate(*args, status=2)
    assert lakegate.errors


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (("brnach",), "`branch`"),
        (("branch", "craete"), "'create'"),
        (("log", "sales/main", "--amuont", "1"), "--amount"),
    ],
)
def test_what_was_mistyped_is_suggested(lakegate: Any, args: tuple[str, ...], meant: str) -> None:
    lakegate(*args, status=2)
    assert meant in lakegate.errors.splitlines()[-1]


def test_files_go_in_and_come_out(lakegate: Any, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(bytes(range(256)) * 5000)
    lakegate("put", "f.bin", "sales/main/raw/", "--new")
    lakegate("put", "f.bin", "sales/main/raw/f.bin", "--new", status=1)
    lakegate("cp", "sales/main/raw/f.bin", "sales/main/copy.bin")
    lakegate("get", "sales/main/copy.bin", "g.bin")
    assert (tmp_path / "g.bin").read_bytes() == (tmp_path / "f.bin").read_bytes()
    lakegate("get", "sales/main/copy.bin", "nowhere/g.bin", status=1)
    assert [line.split("\t")[-1] for line in lakegate("ls", "sales/main/").splitlines()[1:]] == ["copy.bin", "raw/"]
    lakegate("commit", "sales/main", "-m", "files")
    assert lakegate("verify", "sales/main", "--deep").endswith("as they should be.\n")
    next((tmp_path / "lake/data/sales/data").rglob("??/*")).write_bytes(b"damaged")
    assert lakegate.json("verify", "sales/main", status=1)["ok"] is False
    lakegate("rm", "sales/main/copy.bin")
    lakegate("branch", "reset", "sales/main")
    assert len(lakegate("ls", "-r", "sales/main/").splitlines()) == 3
    lakegate("put", "f.bin", "sales/main/rawer", "--new")
    assert lakegate.json("rm", "-r", "sales/main/raw") == {"objects": 1}
    lakegate("get", "sales/main/rawer", "h.bin")


def test_a_file_keeps_its_name_below_a_folder_or_a_branch(lakegate: Any, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(b"f")
    lakegate("put", "f.bin", "sales/main/")
    lakegate("put", "f.bin", "sales/main/raw/")
    lakegate("branch", "create", "sales/exp")
    lakegate("cp", "sales/main/f.bin", "sales/main/deep/")
    lakegate("cp", "sales/main/deep/f.bin", "sales/exp")
    lakegate("put", "-", "sales/main/", status=1)
    names = [[row["path"] for row in lakegate.json("ls", "-r", f"sales/{ref}/")["results"]] for ref in ("main", "exp")]
    assert names == [["deep/f.bin", "f.bin", "raw/f.bin"], ["f.bin"]]


def test_imports_and_exports_with_paths_as_the_shell_has_them(lakegate: Any, tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/deep/f.csv").write_text("a,b\n")
    assert lakegate("import", "in", "sales/main/raw/", "-m", "in", "--dry-run").startswith("Would import 1 ")
    assert lakegate("import", "in", "sales/main/raw/", "-m", "in").startswith("Imported 1 ")
    assert lakegate("verify", "sales/main").endswith("which can't be verified: only size and ETag.\n")
    assert lakegate.json("export", "sales/main", "out")["result"]["objects"] == 1
    assert (tmp_path / "out/raw/deep/f.csv").read_text() == "a,b\n"
    jobs = lakegate.json("job", "list", "sales")["results"]
    assert {job["kind"] for job in jobs} == {"import", "export"}
    assert lakegate("job", "show", jobs[0]["id"], "sales").startswith("job ")
    lakegate("job", "cancel", jobs[0]["id"], "sales", status=1)
    assert "not running" in lakegate.errors


def test_tags_and_repositories(lakegate: Any) -> None:
    lakegate("tag", "create", "sales/v1")
    assert lakegate("tag", "list", "sales").startswith("tag\tcommit\nv1\t")
    lakegate("tag", "delete", "sales/v1")
    assert lakegate.json("repo", "list")["results"][0]["id"] == "sales"
    assert lakegate.json("repo", "show", "sales")["default_branch"] == "main"
    assert lakegate.json("repo", "delete", "sales") == {}
    assert lakegate("repo", "list") == ""


def test_a_name_that_was_a_short_commit_id_is_warned_of(lakegate: Any) -> None:
    commit = lakegate.json("show", "sales/main")["id"]
    for noun, name in (("branch", commit[:8]), ("tag", commit[:9])):
        lakegate(noun, "create", f"sales/{name}")
        assert lakegate.errors.startswith(f"warning: {name} named the commit {commit[:12]}, by its first digits.")
    lakegate("branch", "create", "sales/20260131")
    assert lakegate.errors == ""


def test_a_ref_with_the_name_of_a_repository_is_warned_of(lakegate: Any) -> None:
    for noun in ("branch", "tag"):
        lakegate("repo", "create", f"{noun}-x")
        lakegate(noun, "create", f"sales/{noun}-x")
        assert lakegate.errors.startswith(
            f"warning: {noun}-x is a repository, and a ref in sales. Where sales is set, "
        )
        assert f"lake://{noun}-x/REF/PATH or lake://sales/{noun}-x/PATH." in lakegate.errors
    lakegate("branch", "create", "sales/new")
    lakegate("use", "sales")
    lakegate("repo", "create", "new")
    assert lakegate.errors.startswith("warning: new is a repository, and a ref in sales.")
    lakegate("repo", "create", "other")
    assert lakegate.errors == ""


def test_a_place_that_holds_data_is_refused_with_the_option_for_another(lakegate: Any, tmp_path: Path) -> None:
    lakegate("repo", "delete", "sales", "--force")
    lakegate("repo", "create", "sales", status=1)
    assert "/lake/data/sales" in lakegate.errors
    assert "`lakegate repo create NAME --storage URL`" in lakegate.errors
    lakegate("repo", "create", "sales", "--storage", str(tmp_path / "elsewhere"))


def test_a_listing_goes_on_where_it_stopped(lakegate: Any) -> None:
    for name in ("b1", "b2", "b3"):
        lakegate("branch", "create", f"sales/{name}")
    assert lakegate("branch", "list", "sales", "-n", "2").split()[2::2] == ["b1", "b2"]
    assert "--after 'b2'" in lakegate.errors
    assert lakegate("branch", "list", "sales", "--after", "b2").split()[2::2] == ["b3", "main"]


def test_a_terminal_does_not_obey_what_others_wrote(lakegate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "a\x1b]0;title\x07\x9b31m\tb"
    lakegate("put", "-", "sales/main/a", stdin=b"1")
    seen = lakegate("commit", "sales/main", "-m", message, "--meta", "by=\x1b[2J")
    seen += lakegate("show", "sales/main") + lakegate("log", "sales/main")
    lakegate("show", "sales/\x1bc", status=1)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    show_table(("message",), [(message,)], terminal)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", re.sub(r"\x1b\[\d*m", "", terminal.getvalue()))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", seen + lakegate.errors)
    assert seen.count(r"a\x1b]0;title\x07\x9b31m") == 3
    assert lakegate.json("show", "sales/main")["message"] == message


def test_a_log_that_lists_nothing_says_why(lakegate: Any) -> None:
    lakegate("put", "-", "sales/main/a/f.txt", stdin=b"one")
    lakegate("commit", "sales/main", "-m", "first")
    for path in ("a", "a/", "a/f.txt"):
        assert lakegate("log", "sales/main", "--path", path).endswith("\tfirst\n")
    assert lakegate("log", "sales/main", "--path", "a/f", "--path", "b/") == ""
    assert lakegate.errors == "No commit in the history of main changed a/f or b/.\n"
    lakegate("log", "sales/main", "--after", "nope", status=1)
    assert "'nope'" in lakegate.errors
    shown = lakegate("log", "sales/main").splitlines()[1].split("\t")[0]
    assert "Repository created" in lakegate("log", "sales/main", "--after", shown)


def test_a_set_repository_lets_refs_stand_alone(lakegate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lakegate("put", "-", "lake://sales/main/a", stdin=b"one")
    lakegate("cat", "main/a", status=1)
    assert lakegate("--repo", "sales", "cat", "main/a") == "one"
    assert lakegate("cat", "main/a", "--repo", "sales") == "one"
    monkeypatch.setenv("LAKEGATE_REPO", "sales")
    assert lakegate("cat", "main/a") == lakegate("cat", "sales/main/a") == lakegate("cat", "lake://sales/main/a")
    assert lakegate("branch", "show", "main").startswith("branch ")
    monkeypatch.delenv("LAKEGATE_REPO")
    lakegate("use", "sales")
    assert lakegate("cat", "main/a") == "one"
    lakegate("use", "none", status=1)
    lakegate("use", "--clear")
    lakegate("cat", "main/a", status=1)


def test_a_full_name_is_one_whatever_repository_is_set(lakegate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first segment is a repository where it names one; where it is a ref of the one that is set too, neither."""
    lakegate("repo", "create", "other")
    monkeypatch.setenv("LAKEGATE_REPO", "other")
    lakegate("put", "-", "sales/main/a", stdin=b"one")
    assert lakegate("ls", "-r", "sales/main/").split()[-1] == "a"
    assert lakegate("ls", "main/") == ""
    lakegate("cat", "sales/none/a", status=1)
    assert "'none'" in lakegate.errors
    assert lakegate.completed("lakegate ls sales/m") == ["sales/main/"]
    assert lakegate.completed("lakegate ls sales/main/") == ["sales/main/a"]

    lakegate("branch", "create", "sales")
    lakegate("cat", "sales/main/a", status=1)
    for meant in ("lake://sales/main/a", "lake://other/sales/main/a"):
        assert meant in lakegate.errors
    assert lakegate.json("put", "-", "sales/main/a", status=1)["code"] == "ambiguous_ref"
    lakegate("put", "-", "lake://other/sales/main/a", stdin=b"two")
    assert lakegate("cat", "lake://sales/main/a") == "one"
    assert lakegate("ls", "-r", "sales").split()[-1] == "main/a"

    monkeypatch.setenv("LAKEGATE_REPO", "sales")
    lakegate("branch", "create", "sales")
    lakegate("cat", "sales/main/a", status=1)
    assert lakegate("cat", "main/a") == "one"
    monkeypatch.setenv("LAKEGATE_REPO", "nowhere")
    assert lakegate("cat", "lake://sales/main/a") == lakegate("cat", "sales/main/a") == "one"


def test_use_remembers_the_lake_from_anywhere(lakegate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lakegate("put", "-", "sales/main/a", stdin=b"one")
    lakegate("use", "sales")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert lakegate("cat", "main/a") == "one"
    assert lakegate.json("status")["repository"] == "sales"


def test_the_doctor_tells_of_no_server_where_there_is_none(lakegate: Any) -> None:
    assert [item["check"] for item in lakegate.json("doctor") if item["ok"]] == [
        "versions",
        "folder",
        "disk",
        "lake",
        "repository sales",
    ]


def test_the_doctor_finds_a_missing_node(lakegate: Any, tmp_path: Path) -> None:
    assert "FAULT" not in lakegate("doctor")
    for node in (tmp_path / "lake/data/sales/_lakegate/manifests").iterdir():
        node.unlink()
    assert "FAULT\trepository sales" in lakegate("doctor", status=1)
    assert lakegate.json("doctor", status=1)[-1]["ok"] is False


def test_settings_are_shown_without_secrets(lakegate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEGATE_S3_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("LAKEGATE_S3_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("LAKEGATE_DATABASE_URL", "postgresql://u:very-secret@h/d")
    shown = json.dumps(lakegate.json("config")) + lakegate("config")
    assert "very-secret" not in shown
    assert "(set, not shown)" in shown


def test_names_are_completed(lakegate: Any) -> None:
    lakegate("branch", "create", "sales/exp")
    lakegate("put", "-", "sales/main/a/f", stdin=b"one")

    assert lakegate.completed("lakegate log sa") == ["sales/"]
    assert lakegate.completed("lakegate log sales/e") == ["sales/exp"]
    assert lakegate.completed("lakegate diff sales/main e") == ["exp"]
    assert lakegate.completed("lakegate ls sales/main/") == ["sales/main/a/"]
    assert lakegate.completed("lakegate --home nowhere log s") == []


def test_short_calls_import_what_they_need_only() -> None:
    version = (
        "import sys; sys.argv = ['lakegate', '--version']\n"
        "from lakegate_cli.main import app; app()\n"
        "heavy = {'typer', 'rich', 'sqlalchemy', 'pyarrow', 'obstore', 'pydantic', 'importlib.metadata'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", version], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lakegate 0.")
    branch = (
        "import sys\n"
        "from lakegate_cli.root import run\n"
        "assert run(['branch', 'create', 'sales/quick']) == 0\n"
        "heavy = {'rich', 'pyarrow', 'pydantic', 'alembic', 'httpx', 'deltalake', 'obstore'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", branch], capture_output=True, text=True, check=True)


def test_ctrl_c_ends_in_one_line_however_early_it_comes(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    from lakegate_cli.main import app

    def stop(*found: Any) -> None:
        raise KeyboardInterrupt

    class Stopping:
        """Stands for a module that is being imported when Ctrl-C comes."""

        find_spec = staticmethod(stop)

    monkeypatch.setattr(sys, "argv", ["lakegate", "status"])
    monkeypatch.setattr("gc.disable", bool)
    handlers: list[object] = []
    monkeypatch.setattr("signal.signal", lambda *given: handlers.append(given))
    monkeypatch.delitem(sys.modules, "lakegate_cli.root")
    monkeypatch.setattr(sys, "meta_path", [Stopping, *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        app()
    assert (ended.value.code, capsysbinary.readouterr().err) == (130, b"Stopped.\n")
    assert handlers == [(signal.SIGINT, signal.SIG_IGN)]  # a second one, while Python ends, says nothing more


@pytest.mark.parametrize(
    "args",
    [
        ("commit", "sales/main", "-m", "stopped"),
        ("merge", "sales/exp", "--into", "main"),
        ("rollback", "sales/main", "--to", "main~1"),
        ("revert", "sales/main", "main"),
        ("cherry-pick", "sales/main", "exp"),
        ("table", "restore", "sales/main/t", "--to", "main~1"),
        ("import", "file.txt", "sales/main/x", "--object", "-m", "stopped"),
    ],
)
def test_what_commits_and_is_stopped_says_how_to_find_out_what_came_of_it(
    lakegate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "file.txt").touch()
    monkeypatch.setattr(EmbeddedRepository, {"table": "rollback"}.get(args[0], args[0].replace("-", "_")), stop, False)
    monkeypatch.setattr(EmbeddedRepository, "import_", stop)
    lakegate(*args, status=130)
    assert lakegate.errors == (
        "error: Stopped. Either all of it was committed or nothing: `lakegate log sales/main` tells.\n"
    )
    if args[0] not in ("commit", "revert", "cherry-pick"):
        lakegate(*args, "--dry-run", status=130)
        assert lakegate.errors == "error: Stopped. A dry run changes nothing.\n"


def test_ctrl_c_ends_any_other_command_in_one_line(lakegate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(EmbeddedRepository, "commit_of", stop)
    lakegate("show", "sales/main", status=130)
    assert lakegate.errors == "Stopped.\n"


def test_a_deletion_that_is_stopped_says_what_is_gone_and_how_to_go_on(
    lakegate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        lakegate("put", "-", f"sales/main/d/{number}", stdin=b"x")
    lakegate("commit", "sales/main", "-m", "objects")
    delete = EmbeddedRepository.delete_many

    def stopped(self: EmbeddedRepository, *args: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return delete(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr("lakegate_cli.commands.objects.MAX_PAGE", 2)
        patch.setattr(EmbeddedRepository, "delete_many", stopped)
        lakegate("rm", "-r", "sales/main/d", status=130)
    assert "error: Stopped the deletion after 2 objects." in lakegate.errors
    assert "`lakegate branch reset sales/main --path d/`" in lakegate.errors
    assert len(lakegate("status", "sales/main").splitlines()) == 3
    lakegate("branch", "reset", "sales/main", "--path", "d/")
    assert lakegate("rm", "-r", "sales/main/d") == "Deleted 3 objects below main/d (uncommitted).\n"


def test_an_export_that_is_stopped_says_that_it_goes_on(lakegate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        lakegate("put", "-", f"sales/main/d/{number}", stdin=b"x")
    lakegate("commit", "sales/main", "-m", "objects")
    export = EmbeddedRepository.export

    def stopped(self: EmbeddedRepository, *args: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return export(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedRepository, "export", stopped)
        lakegate("export", "sales/main/", "out", status=130)
    assert "What was written is there; the same command goes on where it stopped." in lakegate.errors
    assert lakegate("export", "sales/main/", "out").endswith(" of main to out.\n")


def test_a_table_on_a_narrow_terminal_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    path = "orders/_delta_log/" + "0" * 200 + ".json"
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", terminal)
    show_table(("bytes", "path"), [(1, path)])
    heading, row = terminal.getvalue().splitlines()
    assert heading.split() == ["bytes", "path"]
    assert row.split() == ["1", path]


def test_work_that_is_not_committed_is_not_lost_by_surprise(lakegate: Any) -> None:
    lakegate("branch", "create", "sales/exp")
    lakegate("put", "-", "sales/exp/a", stdin=b"one")
    lakegate("put", "-", "sales/exp/b", stdin=b"two")
    lakegate("branch", "delete", "sales/exp", status=1)
    assert "uncommitted changes (the first: 'a')" in lakegate.errors
    assert "--force" in lakegate.errors
    assert lakegate.json("branch", "delete", "sales/exp", status=1)["code"] == "dirty_branch"
    lakegate("branch", "delete", "sales/exp", "--force")
    lakegate("branch", "create", "sales/exp")
    lakegate("branch", "delete", "sales/exp")
