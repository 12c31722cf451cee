"""
conftest — what every end-to-end test gets

relay(…) starts a Waypost with a configuration laid over the defaults; sink(…) starts a scripted
server. Both end with the test. Without a binary nothing can be tested, which is a failure.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from wp import certs, dns, smtpd, waypost                       # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "release: runs on the release binary too: size and speed")
    config.addinivalue_line("markers", "timeout: seconds after which a hanging test is ended")


def pytest_collection_modifyitems(items):
    for item in items:                      # a bound for each, far above what any needs
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(180))


class Kept:
    """Things that end with the test, the last one first."""

    def __init__(self):
        self.things = []

    def keep(self, thing):
        self.things.append(thing)
        return thing.__enter__()


@pytest.fixture
def keep(request):
    """keep(thing) enters a context manager for the length of the test."""
    kept = Kept()
    yield kept.keep
    failed = getattr(request.node, "failed", False)
    info = (AssertionError, None, None) if failed else (None, None, None)
    errors = []
    for thing in reversed(kept.things):
        try:
            thing.__exit__(*info)
        except Exception as e:              # pylint: disable=broad-except
            errors.append(e)
    if errors:
        raise errors[0]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.failed = True


@pytest.fixture
def sink(keep):
    """A scripted server: sink(behaviour=None, **how)."""
    return lambda *args, **how: keep(smtpd.Server(*args, **how))


@pytest.fixture
def relay(keep):
    """relay(to=server, conf=…, policies=…): a running Waypost; `to` makes it the next hop.

    It trusts one certificate: under a sanitizer, to read the system's takes most of a start. Those
    who make a Waypost themselves, and test_try, have the default."""
    def make(to=None, conf=None, policies=None, tls="none", start=True, **how):
        conf = waypost.merged({"delivery": {"ca_file": certs.authority()}}, conf or {})
        rules = waypost.merged(waypost.QUICK, policies or {})
        if to is not None:
            hosts = [to.host] if hasattr(to, "host") else to
            rules.setdefault("routes", [{"name": "all", "hosts": hosts, "tls": tls}])
        made = waypost.Waypost(conf, rules, **how)
        if start:
            return keep(made)
        keep(Closing(made))
        return made
    return make


class Closing:
    """Closes a Waypost that a test starts itself."""

    def __init__(self, made):
        self.made = made

    def __enter__(self):
        return self.made

    def __exit__(self, *info):
        self.made.__exit__(*info)


@pytest.fixture
def zone(keep):
    """(zone, name server): put the server's host into dns.servers, or use world()."""
    z = dns.Zone()
    return z, keep(dns.Server(z))


@pytest.fixture
def world(relay, zone):
    """A Waypost that asks our name server and delivers to port 25: (relay, zone)."""
    def make(conf=None, **how):
        z, server = zone
        base = {"dns": {"servers": [server.host], "timeout": "3s"}}
        return relay(conf=waypost.merged(base, conf or {}), **how), z
    return make
