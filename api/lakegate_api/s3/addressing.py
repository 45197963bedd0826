"""From an S3 address to a repository, a ref and a path.

Bucket = repository and key = `<ref>/<path>`; the bucket `<repository>.<ref>` holds one ref with keys at its root; and
where the server is set so, the plain bucket means the repository's default branch. Buckets stand in the path, or
before one of the server's S3 host names.
"""

from __future__ import annotations

from dataclasses import dataclass

from lakegate_api.s3.failures import S3Refusal
from lakegate_api.s3.request import S3Request, decoded


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """How the gateway reads addresses.

    s3_hosts                host names whose requests may name the bucket as `<bucket>.<host>`
    plain_bucket_is_branch  True: the plain bucket means the repository's default branch
    region                  what GetBucketLocation answers
    """

    s3_hosts: tuple[str, ...] = ()
    plain_bucket_is_branch: bool = False
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Address:
    """What a request names: the service (`bucket` ""), a bucket (`key` ""), or an object."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as lakegate reads it. `ref` None: keys start with their ref; "": the default branch."""

    name: str
    repository: str
    ref: str | None

    def split(self, key: str) -> tuple[str, str]:
        """Splits a key into ref and path. The path is "" for a key that names nothing but a ref. Raises S3Refusal for a
        key that begins with a slash: its ref would be no one's, which elsewhere means the default branch."""
        if self.ref is not None:
            return self.ref, key
        ref, _, path = key.partition("/")
        if key and not ref:
            raise S3Refusal("InvalidArgument", f"The key {key!r} names no ref.", "Begin keys with a ref: main/a/b.")
        return ref, path

    def join(self, ref: str, path: str) -> str:
        """Makes the key of a path at a ref: the inverse of `split`."""
        return path if self.ref is not None else f"{ref}/{path}"


def address_of(request: S3Request, hosts: tuple[str, ...]) -> Address:
    """Reads bucket and key out of host and path. Raises S3Refusal(InvalidURI)."""
    raw = request.raw_path
    bucket = _bucket_of_host(request.headers.get("host", ""), hosts) if hosts else None
    if bucket is not None:
        return Address(bucket, decoded(raw[1:]))
    raw_bucket, _, raw_key = raw[1:].partition("/")
    return Address(decoded(raw_bucket), decoded(raw_key))


def bucket_of(name: str, options: GatewayOptions) -> Bucket:
    """Reads a bucket's name."""
    repository, dot, ref = name.partition(".")
    if dot:
        if not ref:
            raise S3Refusal("NoSuchBucket", f"The bucket {name!r} names no ref after its dot.", "Use REPOSITORY.REF.")
        return Bucket(name, repository, ref)
    return Bucket(name, repository, "" if options.plain_bucket_is_branch else None)


def copy_source(header: str) -> tuple[Address, str | None]:
    """Reads `x-amz-copy-source`: the address, and the version id if one is named."""
    text, mark, value = header.partition("?versionId=")
    version = decoded(value) if mark else None
    bucket, slash, key = decoded(text).removeprefix("/").partition("/")
    if not slash or not key:
        raise S3Refusal("InvalidArgument", "x-amz-copy-source names no object.", "Send /BUCKET/KEY, percent-encoded.")
    return Address(bucket, key), version


def _bucket_of_host(host: str, hosts: tuple[str, ...]) -> str | None:
    name = host.partition(":")[0]
    lowered = name.lower()
    for known in hosts:
        suffix = f".{known.lower()}"
        if lowered.endswith(suffix):
            return name[: -len(suffix)]
    return None
