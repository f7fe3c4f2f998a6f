"""Fixtures for every test. Traffic goes to 127.0.0.1 only, caches to a scratch folder, and nothing is downloaded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_mbdc.revisions.repositories.repository import Repository

# Before the first import of huggingface_hub and datasets, which read these once. Port 9 (discard) answers nobody.
SCRATCH = tempfile.mkdtemp(prefix="hf-mbdc-tests-")
os.environ.update(
    HF_HOME=SCRATCH,
    HF_ENDPOINT="http://127.0.0.1:9",
    HF_HUB_DISABLE_XET="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_UPDATE_DOWNLOAD_COUNTS="0",
    HF_HUB_DISABLE_IMPLICIT_TOKEN="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
)

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data beside the project; tests that need it skip where it is missing."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(params=["folder", "hub"])
def repository(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """A new repository of each kind, so that a test that uses it holds for both."""
    from huggingface_hub import constants
    from loopback_hub import LoopbackHub

    from hf_mbdc.revisions.repositories.folder import FolderRepository
    from hf_mbdc.revisions.repositories.hub import HubRepository

    if request.param == "folder":
        yield FolderRepository(tmp_path / "repo")
        return
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with LoopbackHub() as hub:
        yield HubRepository(hub.url)
