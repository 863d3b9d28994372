"""Upload: the whole file arrives, failures are tried again, the local copy stays; on loopback."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sonic_stream import render
from sonic_stream.cli import main
from sonic_stream.errors import BadInputError, SonicError
from sonic_stream.offline.upload import ATTEMPTS, destination, upload

DATA = bytes(range(256)) * 3000


class Server(ThreadingHTTPServer):
    """Answers by a script of (code, headers) and then 201; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, dict[str, str]]] = []
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        server: Server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.seen.append((self.command, self.path, dict(self.headers), body))
        code, headers = server.script.pop(0) if server.script else (201, {})
        if code == 0:
            self.connection.close()
            return
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.webm"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("method", ["PUT", "post"])
def test_the_whole_file_arrives_with_its_kind_and_headers(server, film, method):
    told: list[tuple[int, int]] = []
    to = destination(f"{server.url}/a/b?sig=x%2Fy", method, ["X-Mine: 1: 2", "Content-Type: video/x-own"])
    upload(film, to, lambda *done: told.append(done))
    (command, path, headers, body) = server.seen[0]
    assert (command, path, body) == (method.upper(), "/a/b?sig=x%2Fy", DATA)
    assert {k.lower(): v for k, v in headers.items()}["x-mine"] == "1: 2"
    assert headers["Content-Type" if "Content-Type" in headers else "Content-type"] == "video/x-own"
    assert told[-1] == (len(DATA), len(DATA)) and [d for d, _ in told] == sorted({d for d, _ in told})
    upload(film, destination(server.url))
    assert {k.lower(): v for k, v in server.seen[1][2].items()}["content-type"] == "video/webm"


def test_failures_that_may_pass_are_tried_again_with_growing_pauses(server, film):
    server.script = [(503, {}), (0, {}), (429, {"Retry-After": "7"})]
    waited: list[float] = []
    notes: list[str] = []
    upload(film, destination(server.url), note=notes.append, pause=waited.append)
    assert waited == [1, 2, 7] and len(server.seen) == 4 and server.seen[-1][3] == DATA
    assert len(notes) == 3 and "503" in notes[0] and "in 7 s" in notes[2]


@pytest.mark.parametrize(("code", "tries"), [(403, 1), (413, 1), (500, ATTEMPTS)])
def test_a_failed_upload_says_so_and_keeps_the_file(server, film, code, tries):
    server.script = [(code, {})] * 9
    with pytest.raises(SonicError, match=rf"{code} .*kept as '.*film.webm'") as caught:
        upload(film, destination(f"{server.url}/x?sig=secret"), pause=lambda _: None)
    assert "secret" not in str(caught.value)
    assert len(server.seen) == tries and film.read_bytes() == DATA


def test_a_server_that_is_not_there_is_told(film):
    with Server() as gone:
        url = gone.url
    with pytest.raises(SonicError, match=r"after 5 attempts .connection refused"):
        upload(film, destination(url), pause=lambda _: None)


def test_redirects_are_followed_with_the_body_and_without_secrets(server, film):
    with Server() as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.script = [(307, {"Location": f"{other.url}/there"})]
        upload(film, destination(server.url, headers=["Authorization: Bearer x", "X-Mine: 1"]))
        other.shutdown()
        thread.join()
    (_, path, headers, body) = other.seen[0]
    assert (path, body) == ("/there", DATA)
    names = {name.lower() for name in headers}
    assert "authorization" not in names and "x-mine" in names
    server.script = [(308, {"Location": "/again"})] * 9
    with pytest.raises(SonicError, match="in circles"):
        upload(film, destination(server.url))


def test_user_and_password_become_a_header(server, film):
    to = destination(server.url.replace("://", "://me:p%40ss@"))
    upload(film, to)
    headers = {k.lower(): v for k, v in server.seen[0][2].items()}
    assert headers["authorization"] == "Basic bWU6cEBzcw=="
    assert "p%40ss" not in to.shown and "p@ss" not in repr(to)


@pytest.mark.parametrize("url", ["", "ftp://x/y", "host/path", "http://", "http://a b/", "http://x:99999/"])
def test_addresses_that_are_none_are_refused(url):
    with pytest.raises(BadInputError, match="no address to upload to"):
        destination(url)
    with pytest.raises(BadInputError, match="PUT or POST"):
        destination("http://x/", "GET")
    with pytest.raises(BadInputError, match="Name: value"):
        destination("http://x/", headers=["nonsense"])


def test_the_command_renders_then_uploads(server, tmp_path, portrait, tone, parts, capfd):
    out = tmp_path / "o.mp4"
    words = ["render", str(portrait), str(tone(0.4)), "-o", str(out), "--upload", f"{server.url}/o?k=secret"]
    assert main([*words, "--upload-method", "POST", "--upload-header", "X-A: b"], parts) == 0
    said = capfd.readouterr().err
    assert f"uploaded to {server.url}/o" in said and "secret" not in said
    assert server.seen[0][0] == "POST" and server.seen[0][3] == out.read_bytes()
    server.script = [(404, {})]
    assert main(words, parts) == 2
    assert f"kept as '{out}'" in capfd.readouterr().err and out.exists()


def test_python_has_the_same_word(server, tmp_path, portrait, tone, parts):
    report = render(portrait, tone(0.4), tmp_path / "o.webm", parts=parts, upload=f"{server.url}/o.webm")
    assert server.seen[0][:2] == ("PUT", "/o.webm") and server.seen[0][3] == report.path.read_bytes()
    with pytest.raises(BadInputError, match="no address"):
        render(portrait, tone(0.4), tmp_path / "p.webm", parts=parts, upload="nowhere")
    assert not (tmp_path / "p.webm").exists()


def test_slips_are_told_before_the_work(tmp_path, portrait, tone, parts, capfd):
    base = ["render", str(portrait), str(tone(0.4)), "-o"]
    assert main([*base, str(tmp_path / "o.mp4"), "--upload", "nowhere"], parts) == 2
    assert "no address" in capfd.readouterr().err and not (tmp_path / "o.mp4").exists()
    assert main([*base, f"{tmp_path}/o/", "--upload", "http://x/"], parts) == 2
    assert "one file" in capfd.readouterr().err and not (tmp_path / "o").exists()
