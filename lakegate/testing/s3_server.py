"""A real S3-speaking server (moto's) in a process of its own, on a free port, for tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from lakegate.config import S3Settings, StorageSettings

# The child ends when its standard input does: also when the test run is killed.
# S3 decides a conditional write once. moto looks, and then writes, in a thread for each request, so that two can win:
# here its writes, whose bodies have been read by then, go one after the other.
_PROGRAM = """
import logging, sys, threading
from moto.s3.responses import S3Response
from moto.server import ThreadedMotoServer

deciding, put_object = threading.Lock(), S3Response.put_object

def put_object_alone(response):
    with deciding:
        return put_object(response)

S3Response.put_object = put_object_alone
logging.disable(logging.CRITICAL)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("port", server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_KEY_ID, _SECRET, _REGION = "testing", "testing-secret", "us-east-1"


@contextmanager
def s3_server() -> Generator[str, None, None]:
    """Yields the endpoint's URL. The server starts without buckets, and does not check signatures."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("port "):
                yield f"http://127.0.0.1:{line.split()[1]}"
                return
        raise RuntimeError("moto's server did not start")
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=60)


def storage_settings(endpoint: str, *, max_retries: int = 1) -> StorageSettings:
    """Makes settings that reach such a server."""
    s3 = S3Settings(endpoint=endpoint, region=_REGION, access_key_id=_KEY_ID, secret_access_key=_SECRET)
    return StorageSettings(s3=s3, max_retries=max_retries)


def environment(endpoint: str) -> dict[str, str]:
    """Makes the variables by which a lake reaches such a server."""
    return {
        "LAKEGATE_S3_ENDPOINT": endpoint,
        "LAKEGATE_S3_ACCESS_KEY_ID": _KEY_ID,
        "LAKEGATE_S3_SECRET_ACCESS_KEY": _SECRET,
    }


def s3_client(endpoint: str) -> Any:
    """Makes a boto3 client of such a server."""
    import boto3

    login = {"aws_access_key_id": _KEY_ID, "aws_secret_access_key": _SECRET, "region_name": _REGION}
    return boto3.client("s3", endpoint_url=endpoint, **login)
