"""A Hub on 127.0.0.1 for tests: real HTTP, in memory, for unmodified `huggingface_hub` and `datasets` clients.

    with LoopbackHub() as hub:
        repository = HubRepository(hub.url)
        hub.faults.append(Fault("commit", after=True))      # the next commit is done, and its answer is lost

It keeps git's rules that matter here (commits are trees with a parent, branches move, tags do not) and the API that the
clients call: whoami, repos/create, info, refs, tags, branches, tree, paths-info, commits, validate-yaml, preupload, LFS
(batch, PUT, verify), commit (ndjson), resolve (HEAD, ranges, ETag), and errors told by `X-Error-Code`. There is no Xet.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml
from loopback_state import GITATTRIBUTES, Stored, StoredCommit, StoredRepo, is_lfs, now


@dataclass
class Fault:
    """Goes wrong `times` times after `skip` calls of one kind went well.

    `kind` is the name of a route (see `ROUTES`). `status` None breaks the connection; `after` does the work first.
    """

    kind: str
    status: int | None = None
    after: bool = False
    skip: int = 0
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)


class HubError(Exception):
    """An answer that is an error of the Hub."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        self.status, self.message = status, message
        self.headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **headers}
        super().__init__(message)


class LoopbackHub:
    """The server and its state.

    Args:
        user: the only namespace that may be written to.
        token: the token to ask for; None: everybody is `user`.
    """

    def __init__(self, user: str = "me", token: str | None = None) -> None:
        self.user, self.token = user, token
        self.repos: dict[str, StoredRepo] = {}
        self.faults: list[Fault] = []
        self.calls: Counter[str] = Counter()  # by kind, also those that went wrong
        self.lock = threading.RLock()

    def __enter__(self) -> LoopbackHub:
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()  # waits for the threads of all connections
        self._thread.join()

    def break_next(self, kind: str) -> Fault | None:
        """The fault that this call meets, if any."""
        self.calls[kind] += 1
        for fault in self.faults:
            if fault.kind == kind and fault.times > 0:
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def new_repo(self, repo_id: str, **options: bool) -> StoredRepo:
        repo = self.repos[repo_id] = StoredRepo(**options)
        tree = {".gitattributes": Stored(GITATTRIBUTES, False)}
        repo.add(StoredCommit(None, "initial commit", "", now(), tree), "main")
        return repo

    def push(self, repo_id: str, files: dict[str, bytes], title: str = "Somebody else's change") -> str:
        """A commit on main by somebody else, past the API."""
        repo = self.repos[repo_id]
        head = repo.commits[repo.branches["main"]]
        tree = {**head.tree, **{path: Stored(content, is_lfs(path, len(content))) for path, content in files.items()}}
        return repo.add(StoredCommit(head.sha, title, "", now(), tree), "main")


class _Server(ThreadingHTTPServer):
    """Waits for its threads, which is possible because it can close the connections that clients keep open."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for request in list(self._open):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:  # the client was faster
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no news."""


REPO = r"/api/datasets/(?P<repo>[^/]+/[^/]+)"
# (kind, method, pattern). Parts of the path are matched before they are unquoted: revisions hold quoted slashes.
ROUTES = [
    ("whoami", "GET", r"/api/whoami-v2"),
    ("create_repo", "POST", r"/api/repos/create"),
    ("validate_yaml", "POST", r"/api/validate-yaml"),
    ("may_write", "GET", REPO + r"/auth-check/write"),
    ("refs", "GET", REPO + r"/refs"),
    ("tag", "POST", REPO + r"/tag/(?P<revision>[^/]+)"),
    ("delete_tag", "DELETE", REPO + r"/tag/(?P<name>[^/]+)"),
    ("branch", "POST", REPO + r"/branch/(?P<name>[^/]+)"),
    ("delete_branch", "DELETE", REPO + r"/branch/(?P<name>[^/]+)"),
    ("tree", "GET", REPO + r"/tree/(?P<revision>[^/]+)(/(?P<path>.+))?"),
    ("paths_info", "POST", REPO + r"/paths-info/(?P<revision>[^/]+)"),
    ("commits", "GET", REPO + r"/commits/(?P<revision>[^/]+)"),
    ("preupload", "POST", REPO + r"/preupload/(?P<revision>[^/]+)"),
    ("commit", "POST", REPO + r"/commit/(?P<branch>[^/]+)"),
    ("info", "GET", REPO + r"(/revision/(?P<revision>[^/]+))?"),
    ("lfs_batch", "POST", r"/datasets/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch"),
    ("lfs_put", "PUT", r"/lfs/(?P<repo>[^/]+/[^/]+)/(?P<oid>[0-9a-f]{64})"),
    ("lfs_verify", "POST", r"/lfs/(?P<repo>[^/]+/[^/]+)/verify"),
    ("resolve", "GET", r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"),
]
WRITES = {
    "tag",
    "delete_tag",
    "branch",
    "delete_branch",
    "preupload",
    "commit",
    "lfs_batch",
    "lfs_put",
    "lfs_verify",
    "may_write",
}


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet; else every answer waits 40 ms for a delayed acknowledgement
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Tests have nothing to read here."""

    def do_GET(self) -> None:
        self.handle_call("GET")

    def do_HEAD(self) -> None:
        self.handle_call("GET")

    def do_POST(self) -> None:
        self.handle_call("POST")

    def do_PUT(self) -> None:
        self.handle_call("PUT")

    def do_DELETE(self) -> None:
        self.handle_call("DELETE")

    def handle_call(self, method: str) -> None:
        self.body = self.read_body()
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        with self.hub.lock:
            answer = self.answer(method, url.path)
        if answer is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.send(*answer)

    def answer(self, method: str, path: str) -> tuple[int, bytes, dict[str, str]] | None:
        """Status, body and headers; None when the connection is to break."""
        found = ((kind, re.fullmatch(pattern, path)) for kind, its_method, pattern in ROUTES if method == its_method)
        kind, match = next(((kind, match) for kind, match in found if match), ("", None))
        if match is None:
            return encode({"error": f"no route for {method} {path}"}, 404)
        fault = self.hub.break_next(kind)
        if fault is None or fault.after:
            try:
                self.authorise(kind, match)
                done = getattr(self, f"on_{kind}")(**{k: unquote(v) if v else v for k, v in match.groupdict().items()})
            except HubError as error:
                done = encode({"error": error.message}, error.status, error.headers)
        if fault is None:
            return done
        return encode({"error": "a fault of the test"}, fault.status, fault.headers) if fault.status else None

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def authorise(self, kind: str, match: re.Match[str]) -> None:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        known = self.hub.token is None or given == self.hub.token
        if given and not known and kind != "lfs_put":
            raise HubError(401, "Invalid credentials in Authorization header")
        repo_id = match.groupdict().get("repo")
        repo = self.hub.repos.get(repo_id) if repo_id else None
        if repo_id and (repo is None or (repo.private and not known)):
            # The Hub tells strangers 401, so that they learn nothing about private repositories.
            raise HubError(404 if known else 401, "Repository not found", "RepoNotFound")
        if kind in WRITES - {"lfs_put"}:
            if not known:
                raise HubError(401, "Invalid username or password.")
            if repo_id and (repo_id.split("/")[0] != self.hub.user or (repo and repo.read_only)):
                raise HubError(403, "You have read access but not the required permissions for this operation")
        if repo and repo.gated and kind in ("resolve", "tree"):
            raise HubError(403, f"Access to dataset {repo_id} is restricted", "GatedRepo")

    def find(self, repo: str, revision: str | None) -> StoredCommit:
        stored = self.hub.repos[repo]
        name = revision or "main"
        sha = stored.branches.get(name) or stored.tags.get(name) or name
        if sha not in stored.commits:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return stored.commits[sha]

    def on_whoami(self) -> Any:
        return encode({"type": "user", "name": self.hub.user, "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def on_may_write(self, repo: str) -> Any:
        return encode({})

    def on_create_repo(self) -> Any:
        wanted = json.loads(self.body)
        namespace = wanted.get("organization") or self.hub.user
        repo_id = f"{namespace}/{wanted['name']}"
        answer = {"url": f"{self.hub.url}/datasets/{repo_id}", "name": repo_id}
        if self.hub.token is not None and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            raise HubError(401, "Invalid username or password.")
        if repo_id in self.hub.repos:
            return encode({**answer, "error": "You already created this dataset repo"}, 409)
        if namespace != self.hub.user:
            raise HubError(403, f'You don\'t have the rights to create a dataset under the namespace "{namespace}"')
        self.hub.new_repo(repo_id, private=wanted.get("visibility") == "private")
        return encode(answer)

    def on_validate_yaml(self) -> Any:
        match = re.match(r"---\r?\n(.*?)\r?\n---", json.loads(self.body)["content"], re.DOTALL)
        try:
            data = yaml.safe_load(match[1]) if match else {}
        except yaml.YAMLError as error:
            return encode({"errors": [{"message": f"Invalid YAML: {error}"}], "warnings": []}, 400)
        if data is not None and not isinstance(data, dict):
            return encode({"errors": [{"message": "YAML metadata is not a mapping"}], "warnings": []}, 400)
        return encode({"errors": [], "warnings": []})

    def on_info(self, repo: str, revision: str | None) -> Any:
        commit, stored = self.find(repo, revision), self.hub.repos[repo]
        answer = {"_id": repo, "id": repo, "author": repo.split("/")[0], "sha": commit.sha, "lastModified": commit.date}
        state = {"private": stored.private, "gated": stored.gated, "disabled": False, "tags": [], "downloads": 0}
        files = [{"rfilename": path, "size": len(item.content)} for path, item in sorted(commit.tree.items())]
        card = commit.tree.get("README.md")
        match = re.match(r"---\n(.*?)\n---", card.content.decode(), re.DOTALL) if card else None
        return encode({**answer, **state, "siblings": files, "cardData": yaml.safe_load(match[1]) if match else {}})

    def on_refs(self, repo: str) -> Any:
        def listed(refs: dict[str, str], folder: str) -> list[dict[str, str]]:
            return [{"name": n, "ref": f"refs/{folder}/{n}", "targetCommit": sha} for n, sha in sorted(refs.items())]

        stored = self.hub.repos[repo]
        return encode(
            {"branches": listed(stored.branches, "heads"), "tags": listed(stored.tags, "tags"), "converts": []}
        )

    def on_tag(self, repo: str, revision: str) -> Any:
        stored, tag = self.hub.repos[repo], json.loads(self.body)["tag"]
        sha = self.find(repo, revision).sha
        if tag in stored.tags:
            raise HubError(409, f"Tag reference exists: {tag}")
        stored.tags[tag] = sha
        return encode({})

    def on_delete_tag(self, repo: str, name: str) -> Any:
        if self.hub.repos[repo].tags.pop(name, None) is None:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return encode({})

    def on_branch(self, repo: str, name: str) -> Any:
        stored = self.hub.repos[repo]
        sha = self.find(repo, json.loads(self.body or b"{}").get("startingPoint")).sha
        if name in stored.branches:
            raise HubError(409, f"Reference already exists: {name}")
        stored.branches[name] = sha
        return encode({})

    def on_delete_branch(self, repo: str, name: str) -> Any:
        if self.hub.repos[repo].branches.pop(name, None) is None:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return encode({})

    def on_commits(self, repo: str, revision: str) -> Any:
        """A page at a time, as the Hub does it."""
        stored, commit = self.hub.repos[repo], self.find(repo, revision)
        history = [commit]
        while history[-1].parent:
            history.append(stored.commits[history[-1].parent])
        page, size = int(self.query.get("p", ["0"])[0]), 50
        shown = [
            {
                "id": item.sha,
                "title": item.title,
                "message": item.description,
                "date": item.date,
                "authors": [{"user": self.hub.user}],
            }
            for item in history[page * size : (page + 1) * size]
        ]
        link = f"{self.hub.url}/api/datasets/{repo}/commits/{quote(revision, safe='')}?p={page + 1}"
        more = {"Link": f'<{link}>; rel="next"'} if len(history) > (page + 1) * size else {}
        return encode(shown, 200, more)

    def on_tree(self, repo: str, revision: str, path: str | None) -> Any:
        commit = self.find(repo, revision)
        prefix = f"{path}/" if path else ""
        inside = {name: item for name, item in commit.tree.items() if name.startswith(prefix)}
        if not inside:
            raise HubError(404, f"{path} does not exist on {revision}", "EntryNotFound")
        recursive = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        folders = {name[: at.start()] for name in inside for at in re.finditer("/", name) if at.start() > len(prefix)}
        names = [n for n in (*inside, *folders) if recursive or "/" not in n[len(prefix) :]]
        return encode([self.entry(commit, name) for name in sorted(names)])

    def on_paths_info(self, repo: str, revision: str) -> Any:
        commit = self.find(repo, revision)
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        given = json.loads(self.body) if is_json else parse_qs(self.body.decode())
        paths = given.get("paths", [])
        folders = {name[: at.start()] for name in commit.tree for at in re.finditer("/", name)}
        return encode([self.entry(commit, path) for path in paths if path in commit.tree or path in folders])

    def entry(self, commit: StoredCommit, path: str) -> dict[str, Any]:
        last = {"id": commit.sha, "title": commit.title, "date": commit.date}
        item = commit.tree.get(path)
        if item is None:
            return {"type": "directory", "oid": commit.sha, "size": 0, "path": path, "lastCommit": last}
        found = {"type": "file", "oid": item.oid, "size": len(item.content), "path": path, "lastCommit": last}
        lfs = {"oid": item.sha256, "size": len(item.content), "pointerSize": 130}
        # The git name of a large file is that of its pointer, never that of its content.
        return {**found, "oid": item.sha256[:40], "lfs": lfs} if item.lfs else found

    def on_preupload(self, repo: str, revision: str) -> Any:
        commit, wanted = self.find(repo, revision), json.loads(self.body)
        ignored = commit.tree[".gitignore"].content.decode().split() if ".gitignore" in commit.tree else []
        files = []
        for file in wanted["files"]:
            there = commit.tree.get(file["path"])
            large = is_lfs(file["path"], file["size"])
            answer = {"path": file["path"], "uploadMode": "lfs" if large else "regular"}
            oid = {"oid": there.sha256 if there.lfs else there.oid} if there else {}
            files.append({**answer, "shouldIgnore": file["path"] in ignored, **oid})
        return encode({"files": files})

    def on_lfs_batch(self, repo: str) -> Any:
        stored = self.hub.repos[repo]
        objects = []
        for item in json.loads(self.body)["objects"]:
            put = {"upload": {"href": f"{self.hub.url}/lfs/{repo}/{item['oid']}"}}
            verify = {"verify": {"href": f"{self.hub.url}/lfs/{repo}/verify"}}
            objects.append(item if item["oid"] in stored.lfs else {**item, "actions": {**put, **verify}})
        return encode({"transfer": "basic", "objects": objects})

    def on_lfs_put(self, repo: str, oid: str) -> Any:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise HubError(400, "The content has another hash")
        self.hub.repos[repo].lfs[oid] = self.body
        return encode({})

    def on_lfs_verify(self, repo: str) -> Any:
        wanted = json.loads(self.body)
        content = self.hub.repos[repo].lfs.get(wanted["oid"])
        if content is None or len(content) != wanted["size"]:
            raise HubError(404, "The object was not uploaded")
        return encode({})

    def on_commit(self, repo: str, branch: str) -> Any:
        stored = self.hub.repos[repo]
        lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        head = self.find(repo, branch)
        if branch not in stored.branches:
            raise HubError(400, f"Cannot commit to {branch}: not a branch")
        if header.get("parentCommit") not in (None, head.sha):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        tree = dict(head.tree)
        for line in lines:
            self.apply(stored, tree, line["key"], line["value"])
        commit = StoredCommit(head.sha, header["summary"], header.get("description", ""), now(), tree)
        sha = stored.add(commit, branch)
        url = f"{self.hub.url}/datasets/{repo}/commit/{sha}"
        return encode({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": "", "pullRequestUrl": None})

    def apply(self, stored: StoredRepo, tree: dict[str, Stored], key: str, value: dict[str, Any]) -> None:
        if key == "file":
            tree[value["path"]] = Stored(base64.b64decode(value["content"]), False)
        elif key == "lfsFile":
            if value["oid"] not in stored.lfs:
                raise HubError(400, f"The large file of {value['path']} was not uploaded")
            tree[value["path"]] = Stored(stored.lfs[value["oid"]], True)
        elif key in ("deletedFile", "deletedFolder"):
            inside = value["path"].rstrip("/") + "/" if key == "deletedFolder" else None
            gone = [p for p in tree if p == value["path"] or (inside and p.startswith(inside))]
            if not gone:
                raise HubError(404, "A file with this name doesn't exist", "EntryNotFound")
            for path in gone:
                del tree[path]

    def on_resolve(self, repo: str, revision: str, path: str) -> Any:
        commit = self.find(repo, revision)
        headers = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
        item = commit.tree.get(path)
        if item is None:
            raise HubError(404, "Entry not found", "EntryNotFound", **headers)
        headers["ETag"] = f'"{item.sha256 if item.lfs else item.oid}"'
        if item.lfs:
            headers |= {"X-Linked-Size": str(len(item.content)), "X-Linked-Etag": headers["ETag"]}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            return 200, item.content, headers
        start, size = int(wanted[1]), len(item.content)
        end = min(int(wanted[2]) if wanted[2] else size - 1, size - 1)
        if start > end:
            return 416, b"", {**headers, "Content-Range": f"bytes */{size}"}
        return 206, item.content[start : end + 1], {**headers, "Content-Range": f"bytes {start}-{end}/{size}"}


def encode(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> tuple[int, bytes, dict[str, str]]:
    return status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})}
