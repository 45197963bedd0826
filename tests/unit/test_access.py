"""Access keys, secrets at rest, tokens, and who may do what."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.access import (
    ADMIN,
    KEY_FILE,
    Authenticator,
    Principal,
    SecretBox,
    authorize,
    bootstrap_admin,
    new_credentials,
)
from lakegate.access.authenticator import CACHE_SECONDS, TOKEN_SECONDS
from lakegate.errors import AccessDenied, Corrupt, ErrorKind, InvalidInput, Unavailable
from lakegate.metastore.protocol import KeyRecord, MetaStore, UserRecord
from lakegate.metastore.sql import SqlMetaStore

BOX = SecretBox(bytes(range(32)))


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[MetaStore]:
    store = SqlMetaStore(f"sqlite:///{tmp_path}/lake.db", create=True)
    yield store
    store.close()


# -- secrets at rest --------------------------------------------------------------------------------------------------


@given(st.text(max_size=60), st.text(max_size=30))
def test_a_secret_comes_back_for_its_name_only(secret: str, name: str) -> None:
    sealed = BOX.encrypt(secret, name)
    assert BOX.decrypt(sealed, name) == secret
    assert sealed != BOX.encrypt(secret, name)
    for box, other in ((BOX, name + "x"), (SecretBox(bytes(32)), name)):
        with pytest.raises(Corrupt):
            box.decrypt(sealed, other)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(40), b"\x01" + bytes(5)])
def test_a_sealed_secret_that_is_none_is_corrupt(sealed: bytes) -> None:
    with pytest.raises(Corrupt):
        BOX.decrypt(sealed, "LG1")


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    boxes: list[SecretBox] = []
    threads = [threading.Thread(target=lambda: boxes.append(SecretBox.in_home(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({box.derive("x") for box in boxes}) == 1
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [KEY_FILE]


def test_a_key_file_that_holds_no_key_is_refused_and_kept(tmp_path: Path) -> None:
    for content in (b"", b"not a key", b"\xff\xfe", b"c2hvcnQ="):
        (tmp_path / KEY_FILE).write_bytes(content)
        with pytest.raises(InvalidInput) as caught:
            SecretBox.in_home(tmp_path)
        assert caught.value.kind is ErrorKind.INVALID_CONFIG
        assert (tmp_path / KEY_FILE).read_bytes() == content


def test_a_home_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        SecretBox.in_home(tmp_path / "gone")
    assert caught.value.kind is ErrorKind.STORE_DENIED


# -- the first admin --------------------------------------------------------------------------------------------------


def test_the_first_start_makes_a_random_key_and_the_second_none(meta: MetaStore) -> None:
    made = bootstrap_admin(meta, BOX)
    assert made is not None
    assert made.access_key_id.startswith("LG")
    assert (len(made.access_key_id), len(made.secret)) == (20, 40)
    assert made.secret not in repr(made)
    assert bootstrap_admin(meta, BOX) is None
    assert Authenticator(meta, BOX).check_basic(made.access_key_id, made.secret) == Principal(
        ADMIN, True, made.access_key_id
    )
    record = meta.get_key(made.access_key_id)
    assert record is not None
    assert made.secret.encode() not in record.secret


def test_a_given_key_is_taken_and_replaced(meta: MetaStore, caplog: pytest.LogCaptureFixture) -> None:
    first = bootstrap_admin(meta, BOX, "ADMINKEY", "old-secret")
    assert first is not None
    assert (first.access_key_id, first.secret) == ("ADMINKEY", "old-secret")
    before = meta.get_key("ADMINKEY")
    assert bootstrap_admin(meta, BOX, "ADMINKEY", "old-secret") is None
    assert meta.get_key("ADMINKEY") == before
    assert not caplog.records
    assert bootstrap_admin(meta, BOX, "ADMINKEY", "new-secret") is None
    assert bootstrap_admin(meta, BOX, "SECOND", "its-secret") is None
    replaced, added = caplog.messages
    assert "a new secret for the access key ADMINKEY" in replaced
    assert "the access key SECOND, which was not there before" in added
    assert "-secret" not in caplog.text
    who = Authenticator(meta, BOX)
    assert (who.secret_of("ADMINKEY"), who.secret_of("SECOND")) == ("new-secret", "its-secret")


def test_a_start_that_died_before_the_key_was_made_is_made_good(meta: MetaStore) -> None:
    meta.create_user(UserRecord(ADMIN, True, 1))
    assert bootstrap_admin(meta, BOX) is not None


def test_a_lost_key_file_is_made_good_by_giving_the_key_anew(meta: MetaStore) -> None:
    bootstrap_admin(meta, SecretBox(bytes(32)), "ADMINKEY", "the-secret")
    with pytest.raises(Corrupt):
        Authenticator(meta, BOX).secret_of("ADMINKEY")
    bootstrap_admin(meta, BOX, "ADMINKEY", "the-secret")
    assert Authenticator(meta, BOX).secret_of("ADMINKEY") == "the-secret"


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("KEY1", None),
        (None, "secret-secret"),
        ("a:b", "secret-secret"),
        ("a/b", "secret-secret"),
        ("ab\n", "secret-secret"),
        ("KEY1", "short"),
        ("KEY1", "with blank in it"),
        ("KEY1", "nön-ascii-secret"),
    ],
)
def test_half_a_key_or_an_odd_one_is_refused(meta: MetaStore, key: str | None, secret: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        bootstrap_admin(meta, BOX, key, secret)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert meta.get_user(ADMIN) is None


def test_the_key_of_another_user_is_not_taken(meta: MetaStore) -> None:
    bootstrap_admin(meta, BOX)
    meta.create_user(UserRecord("ann", False, 1))
    meta.put_key(KeyRecord("ANNSKEY", "ann", BOX.encrypt("ann-secret", "ANNSKEY"), 1))
    with pytest.raises(InvalidInput):
        bootstrap_admin(meta, BOX, "ANNSKEY", "other-secret")
    assert Authenticator(meta, BOX).secret_of("ANNSKEY") == "ann-secret"


def test_new_keys_differ() -> None:
    made = {new_credentials() for _ in range(100)}
    assert len({key.access_key_id for key in made}) == len({key.secret for key in made}) == 100


# -- who asks ---------------------------------------------------------------------------------------------------------


def test_an_unknown_key_and_a_wrong_secret_answer_alike(meta: MetaStore) -> None:
    bootstrap_admin(meta, BOX, "ADMINKEY", "the-secret")
    who = Authenticator(meta, BOX)
    said = set()
    for key, secret in (("ADMINKEY", "wrong"), ("NOBODY", "the-secret"), ("", ""), ("\ud800", "\ud800"), ("a\0", "b")):
        with pytest.raises(AccessDenied) as caught:
            who.check_basic(key, secret)
        said.add((caught.value.kind, caught.value.message))
    assert len(said) == 1
    assert next(iter(said))[0] is ErrorKind.INVALID_ACCESS_KEY


def test_keys_are_remembered_for_seconds(meta: MetaStore) -> None:
    clock = Clock()
    bootstrap_admin(meta, BOX, "ADMINKEY", "old-secret")
    who = Authenticator(meta, BOX, clock=clock)
    assert who.secret_of("ADMINKEY") == "old-secret"
    bootstrap_admin(meta, BOX, "ADMINKEY", "new-secret")
    assert who.secret_of("ADMINKEY") == "old-secret"
    clock.now += CACHE_SECONDS
    assert who.secret_of("ADMINKEY") == "new-secret"
    bootstrap_admin(meta, BOX, "ADMINKEY", "newer-secret")
    who.forget()
    assert who.secret_of("ADMINKEY") == "newer-secret"


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_is_good_until_it_expires(meta: MetaStore) -> None:
    clock = Clock()
    bootstrap_admin(meta, BOX, "ADMINKEY", "the-secret")
    who = Authenticator(meta, BOX, clock=clock)
    token, expires = who.issue_token(who.check_basic("ADMINKEY", "the-secret"))
    assert expires == int(clock.now) + TOKEN_SECONDS
    assert who.verify_token(token) == who.principal_of("ADMINKEY")
    clock.now = expires - 1
    assert who.verify_token(token).admin
    clock.now = expires
    with pytest.raises(AccessDenied) as caught:
        who.verify_token(token)
    assert caught.value.kind is ErrorKind.REQUEST_EXPIRED


def test_a_token_ends_with_the_secret_that_it_was_given_for(meta: MetaStore) -> None:
    bootstrap_admin(meta, BOX, "ADMINKEY", "old-secret")
    who = Authenticator(meta, BOX)
    token, _ = who.issue_token(who.principal_of("ADMINKEY"))
    bootstrap_admin(meta, BOX, "ADMINKEY", "new-secret")
    who.forget()
    with pytest.raises(AccessDenied) as caught:
        who.verify_token(token)
    assert caught.value.kind is ErrorKind.UNAUTHENTICATED


def test_a_forged_token_is_refused(meta: MetaStore) -> None:
    bootstrap_admin(meta, BOX, "ADMINKEY", "the-secret")
    who = Authenticator(meta, BOX)
    token, _ = who.issue_token(who.principal_of("ADMINKEY"))
    other = Authenticator(meta, SecretBox(bytes(32)))
    for at in range(len(token)):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(AccessDenied):
            who.verify_token(changed)
    for forged in ("", ".", "..", "lg1..", "lg1.e30.", "é", "\ud800.a", token + "=", token + ".x"):
        with pytest.raises(AccessDenied) as caught:
            who.verify_token(forged)
        assert caught.value.kind is ErrorKind.UNAUTHENTICATED
    with pytest.raises(AccessDenied):
        other.verify_token(token)


# -- who may do what --------------------------------------------------------------------------------------------------


def test_an_admin_may_do_all_and_others_nothing() -> None:
    authorize(Principal("root", True, "K"), "object:write", "sales/main/a")
    with pytest.raises(AccessDenied) as nobody:
        authorize(None, "object:read", "sales/main/a")
    assert nobody.value.kind is ErrorKind.UNAUTHENTICATED
    with pytest.raises(AccessDenied) as other:
        authorize(Principal("ann", False, "K"), "object:read", "sales/main/a")
    assert other.value.kind is ErrorKind.ACCESS_DENIED
