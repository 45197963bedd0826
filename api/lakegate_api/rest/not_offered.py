"""Operations that clients of the same API may call, and that lakegate does not offer: each answers 501 by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from fastapi import APIRouter

from lakegate.errors import NotOffered
from lakegate_api.rest.calls import errors

router = APIRouter(tags=["not offered"])

_R = "/repositories/{repository}"
_GROUPS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Managing users and keys": (
        ("createUser", "POST", "/auth/users"),
        ("deleteUser", "DELETE", "/auth/users/{userId}"),
        ("listUserCredentials", "GET", "/auth/users/{userId}/credentials"),
        ("createCredentials", "POST", "/auth/users/{userId}/credentials"),
        ("deleteCredentials", "DELETE", "/auth/users/{userId}/credentials/{accessKeyId}"),
        ("getCredentials", "GET", "/auth/users/{userId}/credentials/{accessKeyId}"),
        ("listUserGroups", "GET", "/auth/users/{userId}/groups"),
        ("listUserPolicies", "GET", "/auth/users/{userId}/policies"),
        ("attachPolicyToUser", "PUT", "/auth/users/{userId}/policies/{policyId}"),
        ("detachPolicyFromUser", "DELETE", "/auth/users/{userId}/policies/{policyId}"),
    ),
    "Groups": (
        ("listGroups", "GET", "/auth/groups"),
        ("createGroup", "POST", "/auth/groups"),
        ("getGroup", "GET", "/auth/groups/{groupId}"),
        ("deleteGroup", "DELETE", "/auth/groups/{groupId}"),
        ("listGroupMembers", "GET", "/auth/groups/{groupId}/members"),
        ("addGroupMembership", "PUT", "/auth/groups/{groupId}/members/{userId}"),
        ("deleteGroupMembership", "DELETE", "/auth/groups/{groupId}/members/{userId}"),
        ("listGroupPolicies", "GET", "/auth/groups/{groupId}/policies"),
        ("attachPolicyToGroup", "PUT", "/auth/groups/{groupId}/policies/{policyId}"),
        ("detachPolicyFromGroup", "DELETE", "/auth/groups/{groupId}/policies/{policyId}"),
    ),
    "Policies": (
        ("listPolicies", "GET", "/auth/policies"),
        ("createPolicy", "POST", "/auth/policies"),
        ("getPolicy", "GET", "/auth/policies/{policyId}"),
        ("updatePolicy", "PUT", "/auth/policies/{policyId}"),
        ("deletePolicy", "DELETE", "/auth/policies/{policyId}"),
    ),
    "Garbage collection rules": (
        ("getGCRules", "GET", f"{_R}/settings/gc_rules"),
        ("setGCRules", "PUT", f"{_R}/settings/gc_rules"),
        ("deleteGCRules", "DELETE", f"{_R}/settings/gc_rules"),
    ),
    "Branch protection": (
        ("getBranchProtectionRules", "GET", f"{_R}/settings/branch_protection"),
        ("setBranchProtectionRules", "PUT", f"{_R}/settings/branch_protection"),
    ),
    "Dump and restore of refs": (
        ("dumpSubmit", "POST", f"{_R}/dump"),
        ("dumpStatus", "GET", f"{_R}/dump"),
        ("restoreSubmit", "POST", f"{_R}/restore"),
        ("restoreStatus", "GET", f"{_R}/restore"),
    ),
    "Signed multipart uploads": (
        ("createPresignMultipartUpload", "POST", f"{_R}/branches/{{branch}}/staging/pmpu"),
        ("completePresignMultipartUpload", "PUT", f"{_R}/branches/{{branch}}/staging/pmpu/{{uploadId}}"),
        ("abortPresignMultipartUpload", "DELETE", f"{_R}/branches/{{branch}}/staging/pmpu/{{uploadId}}"),
        ("uploadPart", "PUT", f"{_R}/branches/{{branch}}/staging/pmpu/{{uploadId}}/parts/{{partNumber}}"),
        ("uploadPartCopy", "PUT", f"{_R}/branches/{{branch}}/staging/pmpu/{{uploadId}}/parts/{{partNumber}}/copy"),
    ),
    "Writing to storage past the server": (
        ("getPhysicalAddress", "GET", f"{_R}/branches/{{branch}}/staging/backing"),
        ("linkPhysicalAddress", "PUT", f"{_R}/branches/{{branch}}/staging/backing"),
    ),
    "Hooks": (
        ("listRepositoryRuns", "GET", f"{_R}/actions/runs"),
        ("getRun", "GET", f"{_R}/actions/runs/{{run_id}}"),
        ("listRunHooks", "GET", f"{_R}/actions/runs/{{run_id}}/hooks"),
        ("getRunHookOutput", "GET", f"{_R}/actions/runs/{{run_id}}/hooks/{{hook_run_id}}/output"),
    ),
    "Metadata files": (
        ("getMetaRange", "GET", f"{_R}/metadata/meta_range/{{meta_range}}"),
        ("getRange", "GET", f"{_R}/metadata/range/{{range}}"),
    ),
    "Pull requests": (
        ("listPullRequests", "GET", f"{_R}/pulls"),
        ("createPullRequest", "POST", f"{_R}/pulls"),
        ("getPullRequest", "GET", f"{_R}/pulls/{{pull_request}}"),
        ("updatePullRequest", "PATCH", f"{_R}/pulls/{{pull_request}}"),
        ("mergePullRequest", "PUT", f"{_R}/pulls/{{pull_request}}/merge"),
    ),
}


def _refusal(group: str) -> Callable[[], NoReturn]:
    verb = "is" if group.startswith(("Managing", "Branch", "Dump", "Writing")) else "are"

    def refuse() -> NoReturn:
        raise NotOffered(f"{group} {verb} not offered.", hint="The OpenAPI document at /openapi.json lists what is.")

    return refuse


def _add_routes() -> None:
    for group, operations in _GROUPS.items():
        refuse = _refusal(group)
        for operation_id, method, path in operations:
            parameters = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in re.findall(r"\{(\w+)\}", path)
            ]
            router.add_api_route(
                path,
                refuse,
                methods=[method],
                operation_id=operation_id,
                summary=f"Not offered: {operation_id}",
                status_code=501,
                responses=errors(),
                response_model=None,
                openapi_extra={"parameters": parameters} if parameters else None,
            )


_add_routes()
