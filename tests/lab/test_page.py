"""
test_page — a brownout made by the emulator, as an operator sees it on the web page of the gateway
"""
import os

import pytest
from load import Load
from selenium.webdriver.common.by import By
from topology import World
from wp import waypost
from wp.browser import Browser, assert_quiet, cell, visit, wait

NEAR, FAR = ("ct", "north"), ("cm", "south")
URL = "http://127.0.0.1:8025/"
CONF = {"report": {"listen": "127.0.0.1:8025"}, "delivery": {"messages_per_connection": 5}}


def shots():
    """Beside the binary: <build folder>/web."""
    folder = os.path.join(os.path.dirname(os.path.abspath(waypost.binary())), "web")
    os.makedirs(folder, exist_ok=True)
    return folder


def preferred(driver, group):
    """The egress that the page frames for this group."""
    found = driver.find_elements(By.CSS_SELECTOR, "#heat button.preferred")
    keys = [b.get_attribute("data-key").split("\0") for b in found]
    return next((egress for egress, *place in keys if tuple(place) == group), None)


def watch(world, driver):
    visit(driver, URL)
    wait(driver, lambda: preferred(driver, NEAR) and preferred(driver, FAR), "paths framed", 60)
    bad, other = preferred(driver, NEAR), preferred(driver, FAR)
    assert "▲" not in cell(driver, bad, *NEAR).text
    world.set(bad, NEAR, 10, loss=8)
    wait(driver, lambda: "▲" in cell(driver, bad, *NEAR).text, "marks of loss", 60)
    wait(driver, lambda: preferred(driver, NEAR) != bad, "another path framed", 60)
    good = preferred(driver, NEAR)
    wait(driver, lambda: f"{bad} → {good}" in driver.find_element(By.ID, "switches").text,
         "the switch", 20)
    driver.save_screenshot(os.path.join(shots(), "lab-brownout.png"))
    assert preferred(driver, FAR) == other          # the other group stays where it was
    cell(driver, bad, *NEAR).click()
    charts = "#charts canvas"                       # the first minute is written when it ends
    wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, charts), "the series", 140)
    assert f"{bad} → {good}" in driver.find_element(By.ID, "detail-events").text
    driver.save_screenshot(os.path.join(shots(), "lab-series.png"))
    assert_quiet(driver)


@pytest.mark.timeout(300)
@pytest.mark.figures
def test_a_brownout_is_seen_and_its_series_opens():
    with World(conf=CONF) as world:
        for name, rtt in {"gz-1": 10, "gz-2": 12, "gz-3": 14}.items():
            world.set(name, NEAR, rtt)
            world.set(name, FAR, rtt)
        with Load(world, [NEAR, FAR], 10) as load:
            with world.lab.inside("gw"), Browser() as driver:
                watch(world, driver)
        load.check_all_arrived()
