"""The oracle itself: what is planted into clean rows is found every time, by kind and by name, and clean rows are clean."""

import dataclasses
import pathlib
import random
import tempfile
import unittest

import fault_case
from fault_case import judge_all, wait_until
import judge
import messages
import records

ROUNDS = fault_case.size(small=200, ci=1000, hand=20000)
SEED = 7
PRODUCERS = 3
SEQS = 25


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.sent = {(producer, seq) for producer in range(PRODUCERS) for seq in range(SEQS)}
        self.acked = {id for id in self.sent if id[1] < SEQS - 4}
        self.clean = [dataclasses.asdict(messages.make(SEED, *id)) for id in sorted(self.acked)]

    def rounds(self):
        for number in range(ROUNDS):
            yield random.Random(number), [dict(row) for row in self.clean]

    def verdict(self, rows):
        return judge.judge_messages("planted", SEED, self.sent, self.acked, rows)

    def assert_only(self, verdict, **found):
        for kind in judge.Verdict.KINDS:
            self.assertEqual(getattr(verdict, kind), found.get(kind, []), kind)

    def test_clean_rows(self):
        for chance, rows in self.rounds():
            unacked = sorted(self.sent - self.acked)
            rows += [dataclasses.asdict(messages.make(SEED, *id)) for id in unacked if chance.random() < 0.5]
            self.assertTrue(self.verdict(rows).clean(), str(self.verdict(rows)))

    def test_losses(self):
        for chance, rows in self.rounds():
            gone = chance.sample(range(len(rows)), chance.randint(1, 3))
            lost = sorted((rows[at]["producer"], rows[at]["seq"]) for at in gone)
            self.assert_only(self.verdict([row for at, row in enumerate(rows) if at not in gone]), lost=lost)

    def test_duplicates(self):
        for chance, rows in self.rounds():
            at = chance.randrange(len(rows))
            rows.insert(at, dict(rows[at]))
            self.assert_only(self.verdict(rows), duplicate=[(rows[at]["producer"], rows[at]["seq"])])

    def test_phantoms(self):
        for chance, rows in self.rounds():
            id = (chance.choice([0, PRODUCERS + 1]), SEQS + chance.randrange(100))
            rows.insert(chance.randrange(len(rows)), dataclasses.asdict(messages.make(SEED, *id)))
            verdict = self.verdict(rows)
            self.assertEqual((verdict.phantom, verdict.lost, verdict.duplicate), ([id], [], []))

    def test_corruption(self):
        columns = [field.name for field in dataclasses.fields(messages.Message)]
        for chance, rows in self.rounds():
            at, column = chance.randrange(len(rows)), chance.choice(columns)
            id = (rows[at]["producer"], rows[at]["seq"])
            old = rows[at][column]
            rows[at][column] = chance.choice([None, old + 1 if isinstance(old, int) else "?" + old[1:]])
            verdict = self.verdict(rows)
            self.assertEqual(verdict.corrupt, [rows[at]])
            self.assertEqual(verdict.lost, [id])

    def test_order_within_a_key(self):
        for chance, rows in self.rounds():
            key = chance.choice([row["key"] for row in rows])
            places = [at for at, row in enumerate(rows) if row["key"] == key]
            if len(places) < 2:
                continue
            first, second = sorted(chance.sample(places, 2))
            rows[first], rows[second] = rows[second], rows[first]
            verdict = self.verdict(rows)
            self.assertTrue(verdict.disordered)
            self.assertEqual((verdict.lost, verdict.duplicate, verdict.corrupt), ([], [], []))

    def test_wrong_totals(self):
        expected = judge.totals_of(SEED, self.acked)
        for chance, _ in self.rounds():
            rows = [[key, *values] for key, values in expected.items()]
            self.assertTrue(judge.judge_totals("totals", expected, rows).clean())
            row = chance.choice(rows)
            row[chance.randrange(1, 5)] += chance.choice([-1, 1])
            self.assertEqual([wrong[0] for wrong in judge.judge_totals("totals", expected, rows).wrong], [row[0]])
            rows.remove(row)
            self.assertEqual(judge.judge_totals("totals", expected, rows).lost, [row[0]])
            rows += [rows[0], ["nobody's", 1, 1, 1, 1]]
            verdict = judge.judge_totals("totals", expected, rows)
            self.assertEqual((verdict.duplicate, verdict.phantom), ([rows[0][0]], ["nobody's"]))

    def test_totals_by_hand(self):
        three = [messages.make(SEED, 0, seq) for seq in range(SEQS)]
        key = three[0].key
        mine = [message for message in three if message.key == key]
        totals = judge.totals_of(SEED, [message.id for message in three])
        self.assertEqual(totals[key], (len(mine), sum(message.value for message in mine), mine[-1].seq, mine[-1].value))

    def test_changes(self):
        good = [("+I", ("a", 1)), ("-U", ("a", 1)), ("+U", ("a", 2)), ("+I", ("b", 1)), ("-D", ("b", 1))]
        verdict, held = judge.fold_changes("changes", good)
        self.assertTrue(verdict.clean())
        self.assertEqual(held, [("a", 2)])
        for at in range(len(good)):
            twice, _ = judge.fold_changes("changes", good[:at + 1] + good[at:])
            self.assertFalse(twice.clean(), at)
        self.assertFalse(judge.fold_changes("changes", good[1:])[0].clean())


class RecordTest(unittest.TestCase):
    def test_what_is_written_is_loaded_and_a_torn_line_is_not(self):
        with tempfile.TemporaryDirectory() as folder:
            record = records.Record(folder, 4)
            record.sent(0, 2)
            record.acked(0, 2)
            record.sent(3, 3)
            record.close()
            with open(records.path_of(folder, 4), "ab") as file:
                file.write(b"acked 3 3")
            sent, acked = records.load(pathlib.Path(folder))
            self.assertEqual(sent, {(4, seq) for seq in range(4)})
            self.assertEqual(acked, {(4, seq) for seq in range(3)})


PLACES = {"append sink", "append sink in Parquet"}  # the latter where DuckDB's library is


class PlantedInTheNode(fault_case.FaultCase):
    """The whole way: rows that the program itself loses or repeats, by its failpoints, are found outside of it."""

    def planted(self, fault):
        node = self.node()
        node.environment = {"MILLRACE_FAILPOINTS": f"ledger.decoded={fault}(2),after=3"}
        node.run_pipeline()
        oracle = self.oracle(node)
        wait_until(lambda: oracle.acked_bytes() > 4000, "some messages are acked")
        oracle.finish()
        verdicts = judge_all(node, oracle)
        return {verdict.place: verdict for verdict in verdicts}

    def test_lost_rows(self):
        verdicts = self.planted("drop")
        self.assertTrue(verdicts["view totals"].wrong)
        for place in PLACES & verdicts.keys():
            self.assertEqual(len(verdicts[place].lost), 2, place)
        self.assertFalse(verdicts["ledger"].clean())

    def test_repeated_rows(self):
        verdicts = self.planted("repeat")
        self.assertTrue(verdicts["view totals"].wrong)
        for place in PLACES & verdicts.keys():
            self.assertEqual(len(verdicts[place].duplicate), 2, place)
        self.assertFalse(verdicts["ledger"].clean())


if __name__ == "__main__":
    fault_case.main()
