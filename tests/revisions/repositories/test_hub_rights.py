"""Whether a Hub would take a commit is told beforehand."""

from __future__ import annotations

from typing import Any

import pytest
from loopback_hub import Fault, LoopbackHub
from typer.testing import CliRunner

from hf_mbdc.errors import RepositoryError
from hf_mbdc.revisions.repositories import hub_calls
from hf_mbdc.revisions.repositories.hub import HubRepository
from hf_mbdc.revisions.repositories.hub_rights import _may_create

ID = "me/receipts"


def test_who_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with LoopbackHub(token="hf_good") as hub:
        good = HubRepository(hub.url, token="hf_good")
        good.check_writable(ID)  # there is none yet, and it may be made
        hub.new_repo(ID)
        good.check_writable(ID)
        hub.repos[ID].read_only = True
        with pytest.raises(RepositoryError, match=r"does not let you write there.*a name of your own"):
            good.check_writable(ID)
        with pytest.raises(RepositoryError, match=r"does not let you write there.*write to 'others'"):
            good.check_writable("others/receipts")
        with pytest.raises(RepositoryError, match=r"does not know you.*still valid"):
            HubRepository(hub.url, token="hf_bad").check_writable(ID)
        HubRepository(hub.url).check_writable("me/new")  # who knows whether this server wants a token
        monkeypatch.setattr(hub_calls, "PUBLIC_HUB", hub.url)
        with pytest.raises(RepositoryError, match=r"does not know you.*Log in with"):
            HubRepository(hub.url).check_writable("me/new")
        assert "commit" not in hub.calls


def test_a_server_without_the_question_is_asked_by_the_commit_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_calls, "WAITS", (0.0,))
    with LoopbackHub() as hub:
        hub.new_repo(ID)
        hub.faults = [Fault("may_write", status=404)]
        HubRepository(hub.url).check_writable(ID)
        hub.faults = [Fault("may_write", status=503, times=9)]
        with pytest.raises(RepositoryError, match="status 503"):
            HubRepository(hub.url).check_writable(ID)


@pytest.mark.parametrize(
    ("user", "namespace", "may"),
    [
        ({"name": "me"}, "me", True),
        ({"name": "me"}, "others", False),
        ({"name": "me", "auth": {"accessToken": {"role": "read"}}}, "me", False),
        ({"name": "me", "auth": {"accessToken": {"role": "write"}}}, "me", True),
        ({"name": "me", "orgs": [{"name": "lab", "roleInOrg": "write"}]}, "lab", True),
        ({"name": "me", "orgs": [{"name": "lab", "roleInOrg": "read"}]}, "lab", False),
    ],
)
def test_namespaces(user: dict[str, Any], namespace: str, may: bool) -> None:
    assert _may_create(user, namespace) == may


def test_a_run_is_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    from hf_mbdc.cli import app

    with LoopbackHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_any")
        said = CliRunner().invoke(app, ["run", "quickstart", "--repository", hub.url, "--repo-id", "others/receipts"])
    assert said.exit_code != 0
    assert "does not let you write there" in str(said.exception)
    assert "Training" not in said.output
