"""Data directories that former versions wrote still open, give the rows they gave, and go on."""

import decimal
import pathlib
import sys
import tarfile
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
sys.path.insert(0, str(HERE))
from node_process import NodeProcess  # noqa: E402
import write  # noqa: E402


def totals(end):
    sums = {}
    for i in range(end):
        amount, n = sums.get(f"item {i % 7}", (decimal.Decimal(0), 0))
        sums[f"item {i % 7}"] = (amount + i + decimal.Decimal("0.25"), n + 1)
    return [[item, str(amount), n] for item, (amount, n) in sorted(sums.items())]


class CompatTest(unittest.TestCase):
    def check(self, node, end):
        self.assertEqual(node.sql("SELECT item, amount, n FROM totals ORDER BY item"), totals(end))
        names = {f"item {i}": "another" if i == 0 else f"thing {i}" for i in range(5)}
        wanted = [[i, names[f"item {i % 7}"]] for i in range(end) if i % 7 < 5]
        self.assertEqual(node.sql("SELECT id, name FROM named ORDER BY id"), wanted)
        hours = [min(60, end - first) for first in range(0, end, 60)]
        self.assertEqual([row[0] for row in node.sql("SELECT n FROM hourly ORDER BY window_start")], hours)
        self.assertEqual(node.sql("SELECT count(*) FROM orders_dead"), [[1]])

    def test_every_kept_directory(self):
        packs = sorted(HERE.glob("*.tar.xz"))
        self.assertTrue(packs, "there is none")
        for pack in packs:
            for workers in (1, 3):
                with self.subTest(pack=pack.name, workers=workers), tempfile.TemporaryDirectory() as name:
                    folder = pathlib.Path(name)
                    with tarfile.open(pack) as archive:
                        archive.extractall(folder / "data", filter="data") if hasattr(tarfile, "data_filter") else archive.extractall(
                            folder / "data")
                    node = NodeProcess(folder / "data", folder / "log", workers)
                    try:
                        node.start()
                        self.check(node, 400)
                        write.send(node, "orders", [write.order(i) for i in range(400, 450)])
                        self.check(node, 450)
                        node.stop()
                    finally:
                        node.close()


if __name__ == "__main__":
    unittest.main()
