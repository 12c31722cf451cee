"""
conftest — a made-up world behind the web page, and a browser to look at it

world() starts web_world of the build folder (WAYPOST_BUILD, or that of the sanitizer build);
browser() is headless Chromium. Screenshots go to <build folder>/web/.
"""
import contextlib
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/support"))
BUILD = os.path.abspath(os.environ.get("WAYPOST_BUILD", os.path.join(ROOT, "build/asan")))
TOKEN = "0123456789abcdef0123"
CONF = """
hostname: gw1.example.net
state: %s
listen: [ { address: "127.0.0.1:25" } ]
clients: [ { network: 127.0.0.0/8 } ]
egress:
  - { name: gz-ct-1, address: 127.0.0.11, carrier: china-telecom, region: south-china }
  - { name: gz-ct-2, address: [127.0.0.12, "::1"], weight: 2 }
  - { name: hk-1, via: { socks5: "127.0.0.1:1080" }, region: hong-kong, cost: 20ms }
  - { name: us-1, via: { relay: "127.0.0.1:5870", tls: none } }%s
report: { listen: "127.0.0.1:8025", names: [status.example.net], token_file: token }
"""


class World:
    """A running web_world: get(path), and commands for what happens in it."""

    def __init__(self, folder, more=0):
        """`more`: egresses beside the four."""
        others = "".join(f"\n  - {{ name: more-{n}, address: 127.0.1.{n + 1} }}"
                         for n in range(more))
        with open(folder / "waypost.yaml", "w", encoding="utf-8") as f:
            f.write(CONF % (folder, others))
        with open(folder / "token", "w", encoding="utf-8") as f:
            f.write(TOKEN + "\n")
        self.process = subprocess.Popen([os.path.join(BUILD, "tests/web_world"), str(folder),
                                         str(folder / "waypost.yaml")], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/"

    def do(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"

    def get(self, path, method="GET", **headers):
        """(status, headers, text) of a request; header names with _ for -."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, headers=fields, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.headers, answer.read().decode()

    def close(self):
        """Ends it: it must go in order, with nothing leaked."""
        self.process.stdin.close()
        assert self.process.wait(120) == 0      # what it has recorded is written first


@pytest.fixture
def world(request, tmp_path):
    """With pytest.mark.parametrize("world", [n], indirect=True): n egresses more."""
    made = World(tmp_path, getattr(request, "param", 0))
    yield made
    made.close()


@pytest.fixture(scope="session")
def shots():
    folder = os.path.join(BUILD, "web")
    os.makedirs(folder, exist_ok=True)
    return folder


@pytest.fixture
def browser():
    """browser(width, dark=False): headless Chromium."""
    from wp.browser import Browser              # pylint: disable=import-outside-toplevel
    with contextlib.ExitStack() as stack:
        yield lambda *args, **how: stack.enter_context(Browser(*args, **how))
