"""Installs Spark with Delta Lake, for the tests of this folder, into a folder of its own: `make spark`.

What comes is pinned: another Spark would be another client. Some 600 MB. Ends with status 3 where it can't be had: no
Java, or no way to PyPI or Maven Central.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

SPARK = "pyspark==3.5.9"
MAVEN = "https://repo1.maven.org/maven2"
JARS = {
    "org/antlr/antlr4-runtime/4.9.3/antlr4-runtime-4.9.3.jar": (
        "131a6594969bc4f321d652ea2a33bc0e378ca312685ef87791b2c60b29d01ea5"
    ),
    "com/amazonaws/aws-java-sdk-bundle/1.12.262/aws-java-sdk-bundle-1.12.262.jar": (
        "873fe7cf495126619997bec21c44de5d992544aea7e632fdc77adb1a0915bae5"
    ),
    "io/delta/delta-spark_2.12/3.3.2/delta-spark_2.12-3.3.2.jar": (
        "4e92085d5d794cf949c50bb665b91384857cad58680c2d0bfc9c7ad353e98e85"
    ),
    "io/delta/delta-storage/3.3.2/delta-storage-3.3.2.jar": (
        "c096975a2ca97ccc9b4005aa5cce16c9ac3903139d340da6665b66ace67d7c36"
    ),
    "org/apache/hadoop/hadoop-aws/3.3.4/hadoop-aws-3.3.4.jar": (
        "53f9ae03c681a30a50aa17524bd9790ab596b28481858e54efd989a826ed3a4a"
    ),
    "org/wildfly/openssl/wildfly-openssl/1.0.7.Final/wildfly-openssl-1.0.7.Final.jar": (
        "9f7058778978ec2ad90c7224401a4b0013d93e0dd3fa0f72b25244ffa3507ca8"
    ),
}
"""What Spark needs beside its own, and the SHA-256 of each."""


def main(folder: Path) -> int:
    """Installs what is not there yet."""
    if shutil.which("java") is None:
        return _missing("no Java: `apt-get install default-jre-headless` brings it")
    try:
        if not (folder / "bin/python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = ["pip", "install", "--quiet", "--disable-pip-version-check", SPARK]
        subprocess.run([str(folder / "bin/python"), "-m", *install], check=True)
        for path, digest in JARS.items():
            _fetch(f"{MAVEN}/{path}", folder / "jars" / Path(path).name, digest)
    except (subprocess.CalledProcessError, OSError, http.client.HTTPException) as error:
        return _missing(str(error))
    return 0


def _fetch(url: str, target: Path, digest: str) -> None:
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    with urllib.request.urlopen(url, timeout=60) as source, part.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise SystemExit(f"{url} has the SHA-256 {found}, not {digest}")
    part.replace(target)


def _missing(why: str) -> int:
    print(f"Spark can't be installed here: {why}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
