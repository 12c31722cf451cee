"""
test_page — the web page in headless Chromium: what it shows, that it lives, and no error on the
console
"""
import os

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from test_live import LISTENERS, Listener
from wp.browser import assert_quiet, cell, visit, wait

pytestmark = pytest.mark.timeout(300)
WORST = 7               # class of the slowest colour


def loaded_from(driver):
    return driver.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")


def link(driver):
    return driver.find_element(By.ID, "link")


def test_a_page_too_many_gets_its_turn(world, browser):
    listeners = [Listener(world) for _ in range(LISTENERS)]
    for listener in listeners:
        listener.next("all_paths")
    driver = browser()
    driver.get(world.url)
    wait(driver, lambda: "lost" in link(driver).get_attribute("class"), "the refusal")
    for listener in listeners:
        listener.line.close()
    wait(driver, lambda: link(driver).text.endswith("live"), "its turn")


def test_the_page_shows_all_parts_and_loads_nothing_from_elsewhere(world, browser, shots):
    driver = browser()
    visit(driver, world.url)
    assert len(driver.find_elements(By.CSS_SELECTOR, "#heat td button")) == 4 * 6
    wait(driver, lambda: "1,002" in driver.find_element(By.ID, "totals").text, "the totals")
    wait(driver, lambda: "mx.example.net" in driver.find_element(By.ID, "queue").text, "the queue")
    wait(driver, lambda: "fine" in driver.find_element(By.ID, "egress").text, "the egresses")
    wait(driver, lambda: "→" in driver.find_element(By.ID, "switches").text, "the switches")
    egress = driver.find_element(By.ID, "egress").text
    assert "socks5 127.0.0.1:1080" in egress and "fine" in egress
    wait(driver, lambda: "not bold" in driver.find_element(By.ID, "switches").text, "the switches")
    switches = driver.find_element(By.ID, "switches").text
    assert "gz-ct-1 → gz-ct-2" in switches and "610 ms → 240 ms" in switches
    assert "<b>not bold</b>" in switches            # text stays text
    assert "<img src=x" in driver.find_element(By.ID, "queue").text
    queue = driver.find_element(By.ID, "queue").text
    cells = driver.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('#queue tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
        ".map(cells => [cells[0], cells.slice(9, 11)]))")
    assert cells == {"mx.example.net": ["7 of 7", "connections (7)"],
                     "bulk.example.org": ["", "back-off (9 s)"], **{
        f"held-{n}.example": row for n, row in enumerate([
            ["2 of 20", "connecting (2)"], ["6 of 20", "what it bears (6)"],
            ["1 of 20", "rate of provider big.example"], ["1", "recipient rate"],
            ["1", "byte rate of egress hk-1"], ["1", "connection rate"],
            ["3 of 20", "connections of carrier china-mobile"],
            ["0 of 20", "connections in all"], ["0 of 20", "no egress"]])}}
    ages = driver.execute_script(                   # in one go: the table is drawn every 5 s
        "return [...document.querySelectorAll('#ages tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))")
    assert [row[:3] for row in ages] == [["mx.example.net", "normal", "25"],    # the oldest first
                                         ["bulk.example.org", "bulk", "467"],
                                         ["mx.example.net", "urgent", "1"]]
    assert ages[0][3:] == ["20", "3", "", "", "", "", "", "", "", "", "2"]
    assert all(name.startswith(world.url) for name in loaded_from(driver))
    assert len(driver.find_elements(By.CSS_SELECTOR, "#heat button.preferred")) == 6
    unknown = cell(driver, "hk-1", "china-mobile", "south-china")
    assert unknown.text.strip() == "–"
    driver.save_screenshot(os.path.join(shots, "page.png"))
    assert_quiet(driver)


def test_a_brownout_shows_by_itself_in_colour_and_words(world, browser, shots):
    driver = browser()
    visit(driver, world.url)
    place = ("gz-ct-1", "china-mobile", "north-china")
    before = cell(driver, *place)
    assert "preferred" in before.get_attribute("class") and before.text.startswith("175 ms")
    world.do("brownout " + " ".join(place))
    wait(driver, lambda: "▲▲▲ 8.0 %" in cell(driver, *place).text, "the marks of loss")
    after = cell(driver, *place)
    colour = [c for c in after.get_attribute("class").split() if c[0] == "c" and c[1:].isdigit()]
    assert int(colour[0][1:]) >= WORST - 3
    assert "preferred" not in after.get_attribute("class")
    assert "8.0 % loss" in after.get_attribute("aria-label")
    wait(driver, lambda: "8 % loss, round trip doubled" in
         driver.find_element(By.ID, "switches").text, "the switch and its reason")
    driver.save_screenshot(os.path.join(shots, "brownout.png"))
    world.do("down us-1 other europe")
    wait(driver, lambda: "down" in cell(driver, "us-1", "other", "europe").text, "the path down")
    world.do("fault hk-1")
    wait(driver, lambda: "connection refused by the proxy" in
         driver.find_element(By.ID, "egress").text, "the fault and its evidence")
    assert "proxy down" in driver.find_element(By.ID, "egress").text
    wait(driver, lambda: "✕ proxy down" in driver.find_element(By.ID, "heat").text, "its row")
    assert "takes no mail" in cell(driver, "hk-1", "other", "europe").get_attribute("aria-label")
    driver.save_screenshot(os.path.join(shots, "faults.png"))
    world.do("fine")
    wait(driver, lambda: "✕" not in driver.find_element(By.ID, "heat").text, "all fine again")
    assert_quiet(driver)


def test_a_click_opens_the_history_and_keys_do_the_same(world, browser, shots):
    driver = browser()
    visit(driver, world.url)
    cell(driver, "gz-ct-1", "china-mobile", "north-china").click()
    wait(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, "#charts canvas")) >= 8,
         "four charts")
    assert "gz-ct-1 → china-mobile, north-china" in driver.find_element(By.ID, "detail-title").text
    assert "predicted" in driver.find_element(By.ID, "facts").text
    events = driver.find_element(By.ID, "detail-events").text
    assert "gz-ct-1 → gz-ct-2" in events
    assert "127.0.0.11 · zen.spamhaus.org: listed" in events and "<img src=x" in events
    driver.execute_script("document.getElementById('detail').scrollIntoView()")
    driver.save_screenshot(os.path.join(shots, "history.png"))
    driver.find_element(By.XPATH, "//button[text()='1 hour']").click()
    wait(driver, lambda: "Neither a switch" in driver.find_element(By.ID, "detail-events").text,
         "a shorter time")
    world.do("listed gz-ct-1")                      # comes by itself
    wait(driver, lambda: "127.0.0.11 · zen.spamhaus.org: listed" in
         driver.find_element(By.ID, "detail-events").text, "the listing")
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(driver, lambda: not driver.find_element(By.ID, "detail").is_displayed(), "the end of it")
    focus = driver.switch_to.active_element
    assert focus.get_attribute("data-key").startswith("gz-ct-1")
    focus.send_keys(Keys.ARROW_DOWN)
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    wait(driver, lambda: driver.find_element(By.ID, "detail").is_displayed(), "opened by keys")
    wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#charts canvas"), "its charts")
    assert_quiet(driver)


def evidence_shown(driver):
    return driver.find_element(By.ID, "evidence").text


def test_an_address_its_evidence_and_its_past(world, browser, shots):
    driver = browser()
    visit(driver, world.url)
    wait(driver, lambda: "127.0.0.11" in driver.find_element(By.ID, "addresses").text, "addresses")
    rows = driver.find_elements(By.CSS_SELECTOR, "#addresses tbody tr")
    assert len(rows) == 5 and all("clean" in row.text for row in rows)
    driver.find_element(By.XPATH, "//button[text()='127.0.0.11']").click()
    wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#points canvas"), "the chart")
    assert driver.find_element(By.ID, "address-title").text == "gz-ct-1 127.0.0.11"
    past = driver.find_element(By.ID, "address-events").text
    assert "clean → suspect" in past and "<i>not italic</i>" in past
    assert "Nothing is held against it." in evidence_shown(driver)
    world.do("listed gz-ct-1")                      # comes by itself, with the way out of it
    wait(driver, lambda: "zen.spamhaus.org" in evidence_shown(driver), "the listing")
    assert "<img src=x" in evidence_shown(driver) and "stands" in evidence_shown(driver)
    link = driver.find_element(By.CSS_SELECTOR, "#evidence a").get_attribute("href")
    assert link.startswith("https://") and "spamhaus" in link
    said = driver.find_element(By.ID, "address-todo").text
    assert "no new mail leaves by it" in said or "no mail leaves by it" in said
    assert "To do: find out what was sent" in said
    bad = driver.find_elements(By.CSS_SELECTOR, "#addresses td.bad")
    assert len(bad) == 1 and bad[0].text in ("draining", "listed", "quarantined")
    wait(driver, lambda: "clean → " + bad[0].text in
         driver.find_element(By.ID, "address-events").text or "draining" in
         driver.find_element(By.ID, "address-events").text, "the change")
    world.do("blocked gz-ct-2 gmail.com")
    wait(driver, lambda: "gmail.com: blocked" in driver.find_element(By.ID, "addresses").text,
         "the provider")
    driver.execute_script("document.getElementById('addresses').scrollIntoView()")
    driver.save_screenshot(os.path.join(shots, "address.png"))
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait(driver, lambda: not driver.find_element(By.ID, "address").is_displayed(), "the end of it")
    assert driver.switch_to.active_element.text == "127.0.0.11"
    assert_quiet(driver)


def test_an_address_on_a_phone_in_the_dark(world, browser, shots):
    driver = browser(width=390, dark=True)
    visit(driver, world.url)
    world.do("listed gz-ct-1")
    wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#addresses td.bad"), "the listing")
    driver.find_element(By.XPATH, "//button[text()='127.0.0.11']").click()
    wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#points canvas"), "the chart")
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert driver.execute_script(wide) <= 0
    driver.execute_script("document.getElementById('address').scrollIntoView()")
    driver.save_screenshot(os.path.join(shots, "phone-address.png"))
    assert_quiet(driver)


def test_phone_and_dark(world, browser, shots):
    driver = browser(width=390, dark=True)
    visit(driver, world.url)
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert driver.execute_script(wide) <= 0         # the page itself does not scroll sideways
    back = driver.execute_script("return getComputedStyle(document.body.parentElement)"
                                 ".backgroundColor")
    assert sum(int(n) for n in back[4:-1].split(",")) < 150
    driver.save_screenshot(os.path.join(shots, "phone-dark.png"))
    cell(driver, "us-1", "other", "europe").click()
    wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#charts canvas"), "charts")
    assert "measured to the relay only" in driver.find_element(By.ID, "facts").text
    assert "figures of" in driver.find_element(By.ID, "facts").text
    assert driver.execute_script(wide) <= 0
    cut = driver.execute_script("return [...document.querySelectorAll('.wide:not(#heat)')]"
                                ".filter(w => w.scrollWidth > w.clientWidth).map(w => w.innerText)")
    assert not cut, cut                             # reasons are not out of sight
    driver.execute_script("document.getElementById('detail').scrollIntoView()")
    driver.save_screenshot(os.path.join(shots, "phone-history.png"))
    assert_quiet(driver)


def test_many_groups_are_filtered_and_the_relay_may_be_away(world, browser, shots):
    world.do("grow 200")
    driver = browser()
    visit(driver, world.url)
    assert len(driver.find_elements(By.CSS_SELECTOR, "#heat td button")) == 4 * 206
    driver.find_element(By.ID, "filter").send_keys("hk region-01")
    wait(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, "#heat td button")) == 10,
         "ten regions of one egress")
    world.do("grow 0")                              # another shape comes as a whole
    driver.find_element(By.ID, "filter").clear()
    driver.find_element(By.ID, "filter").send_keys(" ")
    wait(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, "#heat td button")) == 24,
         "the smaller table")
    assert_quiet(driver)
    world.do("relay off")
    wait(driver, lambda: "does not answer" in driver.find_element(By.ID, "totals").text,
         "word of the relay")
    driver.save_screenshot(os.path.join(shots, "relay-away.png"))
    wait(driver, lambda: "lost" in link(driver).get_attribute("class"), "word that it is not asked")
    world.do("relay on")
    wait(driver, lambda: link(driver).text.endswith("live"), "the end of that")
    wait(driver, lambda: "1,002" in driver.find_element(By.ID, "totals").text, "the totals again")
