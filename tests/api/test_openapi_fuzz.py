"""Fuzzes every operation of the OpenAPI document: no 5xx, and no answer that the document does not describe.

LAKEGATE_FUZZ_EXAMPLES sets how many examples an operation gets, and adds those that cover the schemas' corners; a plain
test run takes a few at random.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, settings  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi import checks  # noqa: E402

from lakegate.lake import EmbeddedLake  # noqa: E402
from lakegate.model import CommitRequest  # noqa: E402

EXAMPLES = int(os.environ.get("LAKEGATE_FUZZ_EXAMPLES", "0"))
# What stands in a lake, so that more than the look-up of a name is reached.
KNOWN = {
    "repository": ["sales"],
    "branch": ["main", "exp"],
    "destinationBranch": ["main", "exp"],
    "ref": ["main", "exp", "v1", "main~1"],
    "leftRef": ["main", "exp", "v1"],
    "rightRef": ["main", "exp", "v1"],
    "sourceRef": ["exp", "v1"],
    "commitId": ["main", "exp~1"],
    "tag": ["v1"],
    "path": ["a/1", "tables/parts"],
}


def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Names things that are there in most cases."""
    if not path_parameters:
        return path_parameters
    return {
        name: known[len(str(value)) % len(known)] if (known := KNOWN.get(name)) and len(str(value)) % 4 else value
        for name, value in path_parameters.items()
    }


def stock(lake: EmbeddedLake) -> None:
    """Puts back what a case may have deleted."""
    if lake.repositories("sales").items:
        return
    number = len(list(lake.settings.home.iterdir()))
    folder = lake.settings.home / f"sales-{number}"
    lake.create_repository("sales", folder.as_uri())
    repo = lake.repository("sales")
    repo.put("main", "a/1", b"one")
    repo.put("main", "a/2", b"two")
    repo.commit("main", CommitRequest("first"))
    repo.create_tag("v1", "main")
    repo.create_branch("exp", "main")
    repo.put("exp", "b/1", b"more")
    repo.commit("exp", CommitRequest("on exp"))


@pytest.fixture(scope="module")
def lake(server: Any) -> Iterator[EmbeddedLake]:
    """The server's lake, opened beside it."""
    with EmbeddedLake.open(server.home) as opened:
        yield opened


# The committed document is that of the code: test_rest.py compares them.
document = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_bytes())
schema = schemathesis.openapi.from_dict(document).exclude(tag="not offered")
schema.hook(map_path_parameters)
schema.config.phases.coverage.enabled = EXAMPLES > 0


@schema.parametrize()
@settings(max_examples=EXAMPLES or 3, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_a_documented_one(case: Any, server: Any, lake: EmbeddedLake) -> None:
    stock(lake)
    response = case.call_and_validate(
        base_url=server.url,
        auth=(server.access_key_id, server.secret_access_key),
        # The state and rules of names refuse what has the right shape; what is not offered answers 501 by name.
        excluded_checks=[checks.positive_data_acceptance, not_a_server_error],
    )
    assert response.status_code < 500 or response.json()["code"] == "not_offered"
