"""Whether a Hub would take a commit, asked before hours of work that would end in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, RepositoryNotFoundError

from hf_mbdc.revisions.repositories import hub_calls
from hf_mbdc.revisions.repositories.hub_calls import MissingRepositoryError, call, no_login, no_right

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def check_writable(api: HfApi, repo_id: str, endpoint: str) -> None:
    """Asks whether the user may write to a dataset, or make it where there is none.

    Raises:
        RepositoryError: the Hub does not know the user, or the user may not write there.
        UnreachableError: the Hub did not answer.
    """
    try:
        call(lambda: _ask(api, repo_id), repo_id, endpoint)
    except MissingRepositoryError:
        try:
            user = call(api.whoami, repo_id, endpoint)
        except LocalTokenNotFoundError:
            if endpoint == hub_calls.PUBLIC_HUB:
                raise no_login(repo_id, endpoint) from None
            return  # a server of one's own may ask for no token
        if not _may_create(user, repo_id.split("/", maxsplit=1)[0]):
            raise no_right(repo_id, endpoint) from None


def _ask(api: HfApi, repo_id: str) -> None:
    try:
        api.auth_check(repo_id, repo_type="dataset", write=True)
    except RepositoryNotFoundError:
        raise
    except HfHubHTTPError as error:
        if error.response.status_code != 404:
            raise
        # Not every server that speaks the API has this question; then the commit tells.


def _may_create(user: dict[str, Any], namespace: str) -> bool:
    """Whether a token may make datasets in a namespace, as far as the Hub says."""
    if user.get("auth", {}).get("accessToken", {}).get("role") == "read":
        return False
    orgs = {org["name"]: org.get("roleInOrg") for org in user.get("orgs", [])}
    return namespace == user["name"] or orgs.get(namespace, "read") != "read"
