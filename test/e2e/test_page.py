"""The built-in page in a real browser, over a real node: numbers move, every part shows what was sent, nothing is logged as an
error, and a node that goes away is noticed. Keeps a screenshot in build/artifacts/. Skipped (exit 0, with the reason) without Chromium.
"""

import json
import os
import re
import sys
import tempfile
import unittest
from pathlib import Path

from devtools import Browser, find_chromium, wait_until
from node_process import NodeProcess

ARTIFACTS = Path(os.environ.get("MILLRACE_SOURCE_DIR", Path(__file__).resolve().parents[2])) / "build/artifacts"

PIPELINE = """
CREATE STREAM orders (id BIGINT, item VARCHAR, amount DOUBLE) WITH (format = 'json');
CREATE MATERIALIZED VIEW revenue AS SELECT item, count(*) AS orders, sum(amount) AS amount FROM orders GROUP BY item;
CREATE MATERIALIZED VIEW large AS SELECT id, item, amount FROM orders WHERE amount >= 90;
CREATE SINK large_file FROM large WITH (connector = 'file', path = 'large', format = 'ndjson');
"""
ITEMS = ("espresso", "tea", "croissant")
BROKEN = '{"id": "no number", "item": "tea"}'


def figure(text: str) -> int:
    digits = re.sub(r"\D", "", text)
    return int(digits) if digits else -1


class PageTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="millrace-page-")
        self.addCleanup(directory.cleanup)
        pipeline = Path(directory.name) / "pipeline.sql"
        pipeline.write_text(PIPELINE, encoding="utf-8")
        self.node = NodeProcess(Path(directory.name) / "data", Path(directory.name) / "log")
        self.addCleanup(self.node.close)
        self.node.run(pipeline, {})
        self.url = f"http://127.0.0.1:{self.node.port}"
        self.sent = 0
        self.browser = Browser(find_chromium())
        self.addCleanup(self.browser.close)
        self.browser.open(self.url + "/")
        wait_until("a first look", lambda: self.looks() >= 1)

    def send(self, count: int, *more: str) -> None:
        lines = [json.dumps({"id": self.sent + i, "item": ITEMS[i % len(ITEMS)], "amount": i % 100}) for i in range(count)]
        lines += more
        self.sent += count
        self.assertEqual(self.node.append("orders", [f"{line}\n".encode() for line in lines], f"request {self.sent}"), len(lines))

    def looks(self) -> int:
        return int(self.browser.evaluate("document.body ? document.body.dataset.looks || 0 : 0"))

    def shows(self, selector: str, text: str) -> None:
        wait_until(f"{text!r} in {selector}, which shows {self.browser.text(selector)!r}",
                   lambda: text in self.browser.text(selector))

    def test_shows_what_happens(self):
        self.assertEqual(self.browser.text("#rows-in"), "0")
        self.send(300)
        wait_until("300 rows taken", lambda: figure(self.browser.text("#rows-in")) == 300)
        moving = False
        for _ in range(4):
            self.send(500, BROKEN)
            seen = self.looks()
            wait_until("another look", lambda: self.looks() > seen)
            moving = moving or self.browser.evaluate("document.querySelectorAll('.edge.moving').length > 0")
        wait_until("all rows taken", lambda: figure(self.browser.text("#rows-in")) == 2300)
        self.assertTrue(moving, "edges move while rows do")

        for name in ("orders", "revenue", "large", "large_file"):
            self.shows("#graph", name)
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('#graph .edge').length"), 3)
        self.shows("#graph", "2,304 rows")
        self.shows("#graph", "4 dead letters")
        self.shows("#dead", "4")
        self.shows("#dead-rows", "expected BIGINT")
        self.shows("#dead-rows", "no number")
        self.shows("#books", "the books are closed")
        self.shows("#ledger", "2,304")

        self.browser.evaluate("document.querySelector('[data-name=revenue]').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
        for item in ITEMS:
            self.shows("#rows", item)
        self.browser.screenshot(ARTIFACTS / "page.png")
        self.browser.evaluate("document.getElementById('theme').click()")
        self.browser.screenshot(ARTIFACTS / "page_dark.png")
        self.assertEqual(self.browser.problems, [])
        outside = [url for url in self.browser.requested if not url.startswith((self.url, "data:", "about:"))]
        self.assertEqual(outside, [], "the page asks nobody but its node")

    def test_notices_that_the_node_is_gone(self):
        self.shows("#state", "running")
        self.node.stop()
        self.shows("#state", "gone")
        self.shows("#banner", "does not answer")
        self.assertFalse(self.browser.evaluate("document.getElementById('banner').hidden"))


if __name__ == "__main__":
    if find_chromium() is None:
        print("skipped: there is no Chromium on this machine (apt install chromium)")
        sys.exit(0)
    unittest.main(verbosity=2)
