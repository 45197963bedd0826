"""The packages `lakefs` and `lakefs-sdk`, unmodified, against a running server."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

lakefs = pytest.importorskip("lakefs")

import lakefs_sdk  # noqa: E402
from lakefs.client import Client  # noqa: E402
from lakefs.exceptions import (  # noqa: E402
    BadRequestException,
    ConflictException,
    ForbiddenException,
    ImportManagerException,
    NotAuthorizedException,
    NotFoundException,
    ObjectExistsException,
    ObjectNotFoundException,
)

_names = count(1)


@pytest.fixture(scope="module")
def client(server: Any) -> Client:
    return Client(host=server.url, username=server.access_key_id, password=server.secret_access_key)


@pytest.fixture
def repo(client: Client) -> Any:
    name = f"sales-{next(_names)}"
    return lakefs.Repository(name, client=client).create(storage_namespace=f"local://{name}")


def put(branch: Any, path: str, content: str = "x") -> None:
    branch.object(path).upload(content)


# -- repositories, branches, tags -------------------------------------------------------------------------------------


def test_repositories_are_created_listed_and_deleted(client: Client, repo: Any) -> None:
    assert repo.properties.default_branch == "main"
    assert repo.properties.storage_namespace.startswith("file:///")
    assert repo.id in [found.id for found in lakefs.repositories(client=client)]
    assert all(found.id.startswith(repo.id) for found in lakefs.repositories(client=client, prefix=repo.id))
    with pytest.raises(ConflictException):
        lakefs.Repository(repo.id, client=client).create(storage_namespace="local://other", exist_ok=False)
    assert lakefs.Repository(repo.id, client=client).create("local://other", exist_ok=True).id == repo.id
    assert repo.metadata == {}
    repo.delete()
    with pytest.raises(NotFoundException):
        _ = lakefs.Repository(repo.id, client=client).properties


def test_a_repository_with_commits_is_deleted_only_by_force(client: Client, repo: Any) -> None:
    put(repo.branch("main"), "a")
    api = client.sdk_client.repositories_api
    with pytest.raises(lakefs_sdk.exceptions.ApiException) as refused:
        api.delete_repository(repo.id)
    assert refused.value.status == 409
    api.delete_repository(repo.id, force=True)


def test_bad_names_and_unknown_things(client: Client, repo: Any) -> None:
    with pytest.raises(BadRequestException) as bad:
        repo.branch("no/good").create("main")
    assert bad.value.body["code"] == "invalid_name"
    with pytest.raises(NotFoundException):
        lakefs.Repository("nowhere", client=client).branch("main").get_commit()
    with pytest.raises(NotFoundException):
        repo.branch("nowhere").get_commit()
    with pytest.raises(ObjectNotFoundException):
        repo.branch("main").object("nothing").stat()


def test_branches_and_tags(repo: Any) -> None:
    main = repo.branch("main")
    put(main, "a")
    first = main.commit("first")
    exp = repo.branch("exp").create("main")
    assert exp.head.id == first.id
    assert [branch.id for branch in repo.branches()] == ["exp", "main"]
    with pytest.raises(ConflictException):
        repo.branch("exp").create("main", exist_ok=False)
    assert repo.branch("exp").create("main", exist_ok=True).head.id == first.id
    tag = repo.tag("v1").create("main")
    assert tag.get_commit().id == first.id
    assert [found.id for found in repo.tags()] == ["v1"]
    with pytest.raises(ConflictException):
        repo.tag("v1").create("main")
    put(main, "b")
    main.commit("second")
    assert [found.path for found in repo.ref("v1").objects()] == ["a"]
    assert repo.ref("main~1").get_commit().id == first.id
    assert repo.commit(first.id[:12]).get_commit().id == first.id
    with pytest.raises(ForbiddenException):
        main.delete()
    put(exp, "uncommitted")
    exp.delete()
    tag.delete()
    assert [branch.id for branch in repo.branches()] == ["main"]
    assert list(repo.tags()) == []


# -- objects ----------------------------------------------------------------------------------------------------------


def test_objects_are_written_and_read_in_every_way(repo: Any) -> None:
    main = repo.branch("main")
    put_at = time.time()
    written = main.object("in/hello wörld+%.txt").upload(
        b"0123456789", content_type="text/plain", metadata={"owner": "me"}
    )
    stat = written.stat()
    assert (stat.size_bytes, stat.content_type, stat.metadata) == (10, "text/plain", {"owner": "me"})
    assert stat.checksum == "781e5e245d69b566979b86e28d23f2c7"
    assert abs(stat.mtime - put_at) < 60
    assert written.exists()
    assert not main.object("in/other").exists()
    with written.reader(mode="r") as reader:
        assert reader.read(4) == "0123"
        reader.seek(8)
        assert reader.read() == "89"
        assert reader.read(1) == ""
    with written.reader(mode="rb") as reader:
        assert reader.read() == b"0123456789"
    with pytest.raises(ObjectExistsException):
        written.upload("again", mode="x")
    with main.object("in/rows.csv").writer(mode="w") as writer:
        writer.write("a,b\n")
        writer.write("1,2\n")
    assert list(main.object("in/rows.csv").reader(mode="r")) == ["a,b\n", "1,2\n"]


def test_an_empty_and_a_large_object(repo: Any) -> None:
    main = repo.branch("main")
    large = bytes(range(256)) * (40 << 12)
    main.object("empty").upload(b"")
    main.object("large").upload(large)
    assert main.object("empty").reader().read() == b""
    with main.object("large").reader() as reader:
        reader.seek(33_000_001)
        assert reader.read(100) == large[33_000_001:33_000_101]
        reader.seek(0)
        assert reader.read() == large


def test_listing_pages_and_folders(repo: Any) -> None:
    main = repo.branch("main")
    for number in range(7):
        put(main, f"a/{number}")
    put(main, "b/x")
    put(main, "top")
    assert [found.path for found in main.objects(prefix="a/")] == [f"a/{number}" for number in range(7)]
    assert [found.path for found in main.objects(delimiter="/")] == ["a/", "b/", "top"]
    assert [found.path for found in main.objects(after="a/4", max_amount=3)] == ["a/5", "a/6", "b/x"]
    api = main._client.sdk_client.objects_api
    page = api.list_objects(repo.id, "main", amount=3, delimiter="")
    assert page.pagination.has_more
    assert page.pagination.next_offset == "a/2"
    assert page.results[0].metadata == {}


def test_copy_and_delete(repo: Any) -> None:
    main = repo.branch("main")
    main.object("a").upload("one", metadata={"k": "v"})
    main.commit("first")
    exp = repo.branch("exp").create("main")
    copied = repo.branch("main").object("a").copy("exp", "copy/of a")
    assert copied.stat().metadata == {"k": "v"}
    assert copied.reader(mode="r").read() == "one"
    exp.object("a").delete()
    assert not exp.object("a").exists()
    assert main.object("a").exists()
    with pytest.raises(ObjectNotFoundException):
        exp.object("a").delete()
    for number in range(5):
        put(exp, f"d/{number}")
    exp.delete_objects([f"d/{number}" for number in range(6)])
    assert list(exp.objects(prefix="d/")) == []


def test_user_metadata_is_replaced(repo: Any) -> None:
    main = repo.branch("main")
    main.object("a").upload("one", metadata={"k": "v"})
    api = main._client.sdk_client.experimental_api
    api.update_object_user_metadata(repo.id, "main", "a", lakefs_sdk.UpdateObjectUserMetadata(set={"new": "1"}))
    assert repo.branch("main").object("a").stat().metadata == {"new": "1"}


def test_commits_and_tags_are_read_only(repo: Any) -> None:
    main = repo.branch("main")
    put(main, "a")
    main.commit("first")
    repo.tag("v1").create("main")
    with pytest.raises(ForbiddenException) as refused:
        put(repo.branch("v1"), "b")
    assert refused.value.body["code"] == "read_only_ref"


# -- changes ----------------------------------------------------------------------------------------------------------


def test_uncommitted_commit_log_and_diff(repo: Any) -> None:
    main = repo.branch("main")
    put(main, "a/1")
    put(main, "b/1")
    assert [(change.type, change.path) for change in main.uncommitted()] == [("added", "a/1"), ("added", "b/1")]
    assert [change.path for change in main.uncommitted(prefix="a/")] == ["a/1"]
    first = main.commit("first", metadata={"job": "7"})
    assert list(main.uncommitted()) == []
    with pytest.raises(BadRequestException):
        main.commit("nothing")
    put(main, "a/1", "changed")
    main.object("b/1").delete()
    put(main, "c/1")
    second = main.commit("second")
    log = list(main.log())
    assert [commit.message for commit in log] == ["second", "first", "Repository created"]
    assert log[1].metadata == {"job": "7"}
    assert log[0].committer == "admin"
    assert log[0].parents == [first.id]
    assert [commit.id for commit in main.log(max_amount=1)] == [second.id]
    assert [commit.message for commit in main.log(prefixes=["c/"])] == ["second"]
    assert [commit.message for commit in main.log(objects=["b/1"])] == ["second", "first"]
    changes = [(change.type, change.path) for change in repo.ref(first.id).diff(second.id)]
    assert changes == [("changed", "a/1"), ("removed", "b/1"), ("added", "c/1")]
    assert [change.path for change in repo.ref(first.id).diff(second.id, delimiter="/")] == ["a/", "b/", "c/"]


def test_merge_and_conflict(repo: Any) -> None:
    main = repo.branch("main")
    put(main, "a")
    main.commit("first")
    exp = repo.branch("exp").create("main")
    put(exp, "b")
    tip = exp.commit("on exp").id
    merged = exp.merge_into("main")
    assert main.head.id == merged
    assert main.get_commit().parents[1] == tip
    put(exp, "a", "exp's")
    exp.commit("a on exp")
    put(main, "a", "main's")
    main.commit("a on main")
    with pytest.raises(ConflictException) as conflict:
        exp.merge_into("main")
    body = conflict.value.body
    assert body["code"] == "merge_conflict"
    assert [(found["type"], found["path"]) for found in body["conflicts"]] == [("object_changed", "a")]
    exp.merge_into("main", strategy="source-wins")
    assert main.object("a").reader(mode="r").read() == "exp's"


def test_merge_base_and_three_dot_diff(repo: Any) -> None:
    main = repo.branch("main")
    put(main, "a")
    base = main.commit("first").id
    exp = repo.branch("exp").create("main")
    put(exp, "e")
    exp.commit("on exp")
    put(main, "m")
    main.commit("on main")
    api = repo._client.sdk_client.refs_api
    assert api.find_merge_base(repo.id, "exp", "main").base_commit_id == base
    three = api.diff_refs(repo.id, "main", "exp", type="three_dot")
    assert [change.path for change in three.results] == ["e"]
    two = api.diff_refs(repo.id, "main", "exp", type="two_dot")
    assert [(change.type, change.path) for change in two.results] == [("added", "e"), ("removed", "m")]


def test_revert_cherry_pick_and_reset(repo: Any) -> None:
    main = repo.branch("main")
    put(main, "a", "1")
    main.commit("first")
    put(main, "a", "2")
    second = main.commit("second")
    main.revert(second)
    assert main.object("a").reader(mode="r").read() == "1"
    exp = repo.branch("exp").create(second.id)
    put(exp, "b")
    picked = main.cherry_pick(exp.commit("b on exp"))
    assert picked.message == "b on exp"
    assert main.object("b").exists()
    put(main, "c")
    put(main, "d/1")
    main.reset_changes("object", "c")
    assert [change.path for change in main.uncommitted()] == ["d/1"]
    main.reset_changes("common_prefix", "d/")
    put(main, "e")
    main.reset_changes()
    assert list(main.uncommitted()) == []
    repo._client.sdk_client.experimental_api.hard_reset_branch(repo.id, "main", second.id)
    assert main.head.id == second.id


def test_a_reverted_merge_needs_its_mainline(repo: Any) -> None:
    main = repo.branch("main")
    put(main, "a")
    main.commit("first")
    exp = repo.branch("exp").create("main")
    put(exp, "b")
    exp.commit("b")
    exp.merge_into("main")
    with pytest.raises(BadRequestException):
        main.revert("main")
    main.revert("main", parent_number=1)
    assert not main.object("b").exists()


def test_transactions_merge_on_success_and_leave_nothing_on_failure(repo: Any) -> None:
    main = repo.branch("main")
    put(main, "a")
    main.commit("first")
    with main.transact(commit_message="by transaction", commit_metadata={"k": "v"}) as tx:
        put(tx, "b")
        tx.object("a").delete()
    assert [found.path for found in main.objects()] == ["b"]
    assert "by transaction" in [commit.message for commit in main.log()]
    with pytest.raises(ZeroDivisionError), main.transact(commit_message="fails") as tx:
        raise ZeroDivisionError(put(tx, "c"))
    assert [found.path for found in main.objects()] == ["b"]
    assert [branch.id for branch in repo.branches()] == ["main"]


# -- import -----------------------------------------------------------------------------------------------------------


def test_import_of_a_folder_and_an_object(repo: Any, tmp_path: Path) -> None:
    (tmp_path / "year=2024").mkdir()
    for month in range(3):
        (tmp_path / "year=2024" / f"{month}.csv").write_text(f"month,{month}")
    (tmp_path / "one.csv").write_text("one")
    main = repo.branch("main")
    importer = main.import_data(commit_message="imported", metadata={"from": "disk"})
    importer.prefix(f"local://{tmp_path}/year=2024/", destination="raw/")
    importer.object(f"local://{tmp_path}/one.csv", destination="raw/single.csv")
    status = importer.run(poll_interval=timedelta(seconds=0.05))
    assert status.completed
    assert status.ingested_objects == 4
    assert status.commit.metadata["from"] == "disk"
    assert [found.path for found in main.objects()] == ["raw/0.csv", "raw/1.csv", "raw/2.csv", "raw/single.csv"]
    assert main.object("raw/2.csv").reader(mode="r").read() == "month,2"
    assert main.object("raw/2.csv").stat().physical_address.endswith(f"{tmp_path}/year=2024/2.csv")
    with pytest.raises(ConflictException):
        importer.cancel()


def test_an_import_from_nowhere_says_so(repo: Any, tmp_path: Path) -> None:
    importer = repo.branch("main").import_data(commit_message="imported")
    importer.prefix(f"local://{tmp_path}/none/", destination="raw/")
    with pytest.raises((ImportManagerException, NotFoundException, BadRequestException)) as failed:
        importer.run(poll_interval=timedelta(seconds=0.05))
    assert str(tmp_path) in str(failed.value)


def test_an_object_outside_is_staged_without_a_copy(client: Client, repo: Any, tmp_path: Path) -> None:
    (tmp_path / "far.csv").write_text("far")
    api = client.sdk_client.internal_api
    there = lakefs_sdk.ObjectStageCreation(
        physical_address=f"local://{tmp_path}/far.csv", checksum="", size_bytes=3, mtime=1700000000, metadata={"k": "v"}
    )
    staged = api.stage_object(repo.id, "main", "near.csv", there)
    assert (staged.mtime, staged.content_type, staged.metadata) == (1700000000, "text/csv", {"k": "v"})
    assert repo.branch("main").object("near.csv").reader(mode="r").read() == "far"
    assert [change.path for change in repo.branch("main").uncommitted()] == ["near.csv"]
    own = client.sdk_client.objects_api.stat_object(repo.id, "main", "near.csv").physical_address
    assert own == f"file://{tmp_path}/far.csv"
    for wrong, status in (
        ({"size_bytes": 4}, 400),
        ({"physical_address": f"local://{tmp_path}/none"}, 404),
        ({"physical_address": repo.properties.storage_namespace + "/_lakegate/format.json"}, 400),
    ):
        with pytest.raises(lakefs_sdk.exceptions.ApiException) as refused:
            api.stage_object(repo.id, "main", "b", lakefs_sdk.ObjectStageCreation(**{**there.dict(), **wrong}))
        assert refused.value.status == status


# -- the server -------------------------------------------------------------------------------------------------------


def test_wrong_credentials_and_tokens(server: Any, client: Client, repo: Any) -> None:
    wrong = Client(host=server.url, username=server.access_key_id, password="wrong")
    with pytest.raises(NotAuthorizedException) as refused:
        list(lakefs.repositories(client=wrong))
    assert refused.value.body["code"] == "invalid_access_key"
    login = lakefs_sdk.LoginInformation(access_key_id=server.access_key_id, secret_access_key=server.secret_access_key)
    token = client.sdk_client.auth_api.login(login)
    assert token.token_expiration > time.time()
    bearer = Client(host=server.url, access_token=token.token)
    assert repo.id in [found.id for found in lakefs.repositories(client=bearer)]
    with pytest.raises(NotAuthorizedException):
        list(lakefs.repositories(client=Client(host=server.url, access_token=token.token[:-2] + "xx")))


def test_the_servers_configuration(client: Client) -> None:
    assert not client.storage_config.pre_sign_support
    assert client.storage_config.blockstore_type == "local"
    assert client.sdk_client.auth_api.get_current_user().user.id == "admin"
    assert client.sdk_client.health_check_api.health_check() is None
    state = client.sdk_client.internal_api.get_setup_state()
    assert state.state == "initialized"


def test_what_is_not_offered_is_refused_by_name(client: Client, repo: Any) -> None:
    with pytest.raises(lakefs_sdk.exceptions.ApiException) as refused:
        client.sdk_client.pulls_api.list_pull_requests(repo.id)
    assert refused.value.status == 501
    assert '"code":"not_offered"' in refused.value.body
