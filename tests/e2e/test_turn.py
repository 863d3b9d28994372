"""Through a TURN server alone: coturn on loopback, and a browser that may use nothing else."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not shutil.which("turnserver"), reason="coturn is not installed"),
]

RELAY_ONLY = """const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(how) { super({...how, iceTransportPolicy: "relay"}); window.pc = this; }
  };"""
PAIR = """async () => {
  const stats = await pc.getStats();
  const pair = [...stats.values()].find((entry) => entry.type === "candidate-pair" && entry.nominated);
  return stats.get(pair.localCandidateId).candidateType;
}"""


@pytest.fixture
def relayed(tmp_path: Path, drive):
    """The URL of a server that names a TURN server of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    log = (tmp_path / "turn.log").open("wb")
    turn = subprocess.Popen(
        [
            "turnserver", "-n", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers",
            "--lt-cred-mech", "--user=face:secret", "--realm=face",
            "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}",
            "--min-port=42000", "--max-port=42999",
            f"--pidfile={tmp_path}/pid", f"--db={tmp_path}/db", "--log-file=stdout",
        ],
        stdout=log,
        stderr=log,
    )  # fmt: skip
    time.sleep(0.5)
    server = drive.Server("server.standin", "--ice-server", f"turn:face:secret@127.0.0.1:{port}")
    try:
        server.begin(60)
        yield server.url
    finally:
        if server.process is not None:
            server.end()
        turn.terminate()
        turn.wait(10)
        log.close()


def test_a_browser_that_may_only_use_the_relay_sees_the_face(relayed, visit, drive):
    page = visit(script=RELAY_ONLY, at=relayed)
    drive.start(page)
    assert page.evaluate(PAIR) == "relay"
    page.wait_for_function("seen.codes.length > 25")
