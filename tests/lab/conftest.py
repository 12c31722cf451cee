"""
conftest — the laboratory's fixtures: namespaces and processes that end with the test

Needs root (namespaces, TUN devices) and fails without: a proof that is skipped in silence is none.
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
sys.path.insert(0, os.path.dirname(__file__))


def pytest_configure(config):
    config.addinivalue_line("markers", "figures: judges times, so it wants a quiet machine")
    config.addinivalue_line("markers", "timeout: seconds after which a hanging test is ended")
    assert os.geteuid() == 0, "tests/lab needs root: it makes network namespaces"


def pytest_collection_modifyitems(items):
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(180))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.failed = True
