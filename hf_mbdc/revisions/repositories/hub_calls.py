"""Calls to a Hub: which failures pass by themselves, how long to wait for that, and what the user is told otherwise.

huggingface_hub retries uploads and listings, but not `repo_info`, `list_repo_refs`, `create_commit`, `create_branch`
and `create_tag`: a single 502 ends them.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx2
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hf_mbdc.errors import RepositoryError

PUBLIC_HUB = "https://huggingface.co"
WAITS = (0.5, 1.0, 2.0, 4.0)  # seconds between five attempts
LONGEST_WAIT = 60.0  # a Hub that asks for more (429 with Retry-After) gets an error instead of a silent program
_PASSING = {408, 429, 500, 502, 503, 504}
_FOLDER = "or use a folder: repository='./repo' (--repository ./repo)."
_LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN to a token"

T = TypeVar("T")


class UnreachableError(RepositoryError):
    """The Hub could not be reached, or went on failing."""


class MissingRepositoryError(RepositoryError):
    """The Hub has no such dataset, or does not show it to this user."""


# What huggingface_hub raises when a call fails: HTTP statuses, broken connections, offline mode, nothing in the cache,
# uploads (RuntimeError), metadata that the Hub refuses (ValueError).
FAILURES = (HfHubHTTPError, httpx2.HTTPError, OfflineModeIsEnabled, LocalEntryNotFoundError, RuntimeError, ValueError)


def call(function: Callable[[], T], repo_id: str, endpoint: str) -> T:
    """Result of a call that may be repeated without harm. Failures that pass are waited for, the others are explained.

    Raises:
        UnreachableError: the Hub did not answer, or answered with a passing error five times.
        MissingRepositoryError: no such dataset, or no right to see it.
        RepositoryError: the Hub refused.
        huggingface_hub.errors.RevisionNotFoundError, RemoteEntryNotFoundError: as they are, for the caller to explain.
    """
    for wait in (*WAITS, None):
        try:
            return function()
        except FAILURES as failure:
            if isinstance(failure, RevisionNotFoundError | RemoteEntryNotFoundError):
                raise
            if wait is None or not pause(failure, wait):
                raise explain(failure, repo_id, endpoint) from failure
    raise AssertionError("the last attempt returns or raises")


@contextlib.contextmanager
def publishing() -> Iterator[None]:
    """Says, when the Hub is lost in the middle of a publication, that it may be repeated."""
    try:
        yield
    except UnreachableError as error:
        error.mend += " Publish again when it answers: what was published is not published twice."
        raise


def pause(failure: Exception, wait: float) -> bool:
    """Waits as long as the Hub asks for, or `wait` seconds; False, at once, when waiting would not help."""
    failure = root(failure)
    asked = _asked_wait(failure)
    if not (passes(failure) or is_stale(failure)) or asked > LONGEST_WAIT:
        return False
    time.sleep(max(wait, asked))
    return True


def passes(failure: Exception) -> bool:
    """Whether the same call may succeed later."""
    failure = root(failure)
    return _status(failure) in _PASSING or isinstance(failure, httpx2.TransportError)


def root(failure: Exception) -> Exception:
    """The failure behind the RuntimeError in which huggingface_hub wraps a failed upload."""
    cause = failure.__cause__
    return cause if isinstance(failure, RuntimeError) and isinstance(cause, FAILURES) else failure


def is_stale(failure: Exception) -> bool:
    """Whether the Hub refused a commit because its parent is not the head (412), or lost a race (409)."""
    return _status(failure) in (409, 412)


def explain(failure: Exception, repo_id: str, endpoint: str) -> RepositoryError:
    """The error to raise for a failure that was not waited for. It never holds the token."""
    failure = root(failure)
    status = _status(failure)
    where = {"repo_id": repo_id, "endpoint": endpoint}
    if isinstance(failure, GatedRepoError):
        mend = f"Ask for access at {endpoint}/datasets/{repo_id}, and log in."
        return RepositoryError("Access to the dataset has to be granted by its owner", **where, mend=mend)
    if isinstance(failure, RepositoryNotFoundError):
        mend = f"Check the id. {_LOG_IN} that may read it, if it is private."
        return MissingRepositoryError("The Hub has no such dataset, or does not show it to you", **where, mend=mend)
    if status == 401:
        return no_login(repo_id, endpoint)
    if status == 403:
        return no_right(repo_id, endpoint)
    if isinstance(failure, OfflineModeIsEnabled):
        mend = f"Unset HF_HUB_OFFLINE, {_FOLDER}"
        return UnreachableError("The Hub is switched off by HF_HUB_OFFLINE", **where, mend=mend)
    if passes(failure) or isinstance(failure, LocalEntryNotFoundError):
        what = f"The Hub answered with status {status}" if status else "The Hub did not answer"
        mend = f"Try again later, {_FOLDER}" if status else f"Check the network and HF_ENDPOINT, {_FOLDER}"
        if not status and _is_unknown_host(failure):
            what = "There is no Hub of that name on the network"
        return UnreachableError(what, **where, mend=mend)
    said = getattr(failure, "server_message", None) or str(failure).strip().split("\n\n")[0]
    return RepositoryError(f"The Hub refused: {said.rstrip('.')}", **where, mend="Mend what it names and try again.")


def no_login(repo_id: str, endpoint: str) -> RepositoryError:
    """The error for a token that is missing or not known."""
    mend = f"{_LOG_IN} that is still valid."
    return RepositoryError("The Hub does not know you", repo_id=repo_id, endpoint=endpoint, mend=mend)


def no_right(repo_id: str, endpoint: str) -> RepositoryError:
    """The error for a user who may not write."""
    namespace = repo_id.split("/", maxsplit=1)[0]
    mend = f"Publish under a name of your own, or use a token that may write to {namespace!r}."
    return RepositoryError("The Hub does not let you write there", repo_id=repo_id, endpoint=endpoint, mend=mend)


def _is_unknown_host(failure: BaseException | None) -> bool:
    """Whether the name of the server was not found, which three libraries wrap in turn."""
    while failure is not None and not isinstance(failure, socket.gaierror):
        failure = failure.__cause__ or failure.__context__
    return failure is not None


def _status(failure: Exception) -> int | None:
    return failure.response.status_code if isinstance(failure, HfHubHTTPError) else None


def _asked_wait(failure: Exception) -> float:
    if not isinstance(failure, HfHubHTTPError):
        return 0.0
    asked = failure.response.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0
