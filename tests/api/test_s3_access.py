"""Who may come in through the S3 gateway: signatures, clocks, and what is not S3."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from lakegate.testing.s3 import Request, S3Lake, signed_headers
from lakegate.testing.web import web
from lakegate_api.rest.application import PAGES


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret_access_key": "another-secret"}, "SignatureDoesNotMatch"),
        ({"access_key_id": "LGUNKNOWN"}, "InvalidAccessKeyId"),
    ],
)
def test_a_wrong_key_is_refused(s3: S3Lake, change: dict[str, str], code: str) -> None:
    reply = replace(s3, **change).put("main/x", b"1")
    assert (reply.status, reply.code) == (403, code)
    assert s3.head("main/x").status == 404


@pytest.mark.parametrize("age", [20 * 60, -20 * 60])
def test_a_clock_that_is_off_is_refused(s3: S3Lake, age: int) -> None:
    reply = s3.ask(Request("GET", f"/{s3.repository}/main/x", age=age))
    assert (reply.status, reply.code) == (403, "RequestTimeTooSkewed")
    assert re.search(r"1(199|20\d) seconds (ahead|behind)", reply.text("Message"))
    assert s3.ask(Request("GET", f"/{s3.repository}/main/x", age=age * 0.7)).code == "NoSuchKey"


def test_what_was_signed_can_not_be_changed(s3: S3Lake) -> None:
    s3.put("main/x", b"1")
    request = Request("GET", f"/{s3.repository}/main/x", "versionId=null")
    headers = signed_headers(request, s3.host, (s3.access_key_id, s3.secret_access_key))
    assert s3.send(request, headers).status == 200
    for changed in (
        replace(request, method="DELETE"),
        replace(request, path=f"/{s3.repository}/main/y"),
        replace(request, query=""),
    ):
        assert s3.send(changed, headers).code == "SignatureDoesNotMatch"
    more = headers | {"x-amz-copy-source": "/a/b"}
    assert s3.send(replace(request, method="GET"), more).code == "SignatureDoesNotMatch"
    for broken in ("AWS4-HMAC-SHA256 nonsense", "AWS nonsense"):
        assert s3.send(request, headers | {"authorization": broken}).code == "AuthorizationHeaderMalformed"


def test_unsigned_requests_are_refused(s3: S3Lake) -> None:
    reply = s3.send(Request("GET", f"/{s3.repository}/main/x"), {"host": s3.host, "x-amz-date": "20260101T000000Z"})
    assert (reply.status, reply.code) == (403, "AccessDenied")
    assert "not signed" in reply.text("Message")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_an_anonymous_request_is_refused_in_the_form_of_s3(s3: S3Lake, method: str) -> None:
    for path in ("main/x", "main/_delta_log/00000000000000000000.json", "?list-type=2"):
        answer = web.request(method, f"{s3.url}/{s3.repository}/{path}", content=b"x" if method == "PUT" else None)
        assert answer.status_code == 403
        if method != "HEAD":
            assert answer.headers["content-type"] == "application/xml"
            assert "<Code>AccessDenied</Code>" in answer.text
            assert "access key" in answer.text


def test_paths_of_rest_and_its_pages_stay_with_rest(s3: S3Lake) -> None:
    for path in PAGES:
        assert web.get(f"{s3.url}{path}").status_code == 200
    assert web.get(f"{s3.url}/api/v1/repositories").json()["code"] == "unauthenticated"
    assert web.get(f"{s3.url}/api/v9/none").json()["code"] == "not_offered"
    # Who sends credentials of REST means REST: `/api/v1` was forgotten.
    wrong = web.get(f"{s3.url}/repositories", auth=(s3.access_key_id, s3.secret_access_key))
    assert (wrong.status_code, wrong.json()["code"]) == (404, "not_offered")


def test_presigned_urls_end(s3: S3Lake) -> None:
    config = pytest.importorskip("botocore.config")
    s3.put("main/x", b"1")
    where = {"Bucket": s3.repository, "Key": "main/x"}
    for version in ("s3", "s3v4"):
        boto = s3.boto(config=config.Config(signature_version=version))
        url = boto.generate_presigned_url("get_object", Params=where, ExpiresIn=60)
        assert web.get(url).status_code == 200
        ended = boto.generate_presigned_url("get_object", Params=where, ExpiresIn=-5 if version == "s3" else 1)
        if version == "s3v4":
            time.sleep(1.1)
        answer = web.get(ended)
        assert answer.status_code == 403
        assert "expired" in answer.text.lower()


def test_other_aws_services_are_turned_away(s3: S3Lake) -> None:
    boto3 = pytest.importorskip("boto3")
    from botocore.exceptions import ClientError

    for service, ask in (("sts", "get_caller_identity"), ("secretsmanager", "list_secrets")):
        client = boto3.client(
            service,
            endpoint_url=s3.url,
            aws_access_key_id=s3.access_key_id,
            aws_secret_access_key=s3.secret_access_key,
            region_name="us-east-1",
        )
        with pytest.raises(ClientError) as refused:
            getattr(client, ask)()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_rest_and_s3_share_the_port(s3: S3Lake) -> None:
    assert web.get(f"{s3.url}/healthz").text == "ok\n"
    assert s3.rest("GET", "")["id"] == s3.repository
    assert s3.head("").status == 200
