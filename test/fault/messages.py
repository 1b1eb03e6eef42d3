"""What the oracle's producers send. Every message is a function of (seed, producer, seq), so whoever knows the seed can say of
any row whether it is a message, whose, and whether it is whole.
"""

import dataclasses
import hashlib
import json

KEYS_PER_PRODUCER = 7


@dataclasses.dataclass(frozen=True, order=True)
class Message:
    producer: int
    seq: int
    key: str
    value: int
    payload: str
    digest: str

    @property
    def id(self):
        return self.producer, self.seq

    def line(self):
        return json.dumps(dataclasses.asdict(self), separators=(",", ":")).encode() + b"\n"


def make(seed, producer, seq):
    """The message, of 100 to 400 bytes. A key belongs to one producer, so its order is the order of its seqs."""
    chance = hashlib.blake2b(f"{seed}/{producer}/{seq}".encode(), digest_size=16).digest()
    key = f"p{producer}k{chance[0] % KEYS_PER_PRODUCER}"
    value = int.from_bytes(chance[1:5], "big") - (1 << 31)
    payload = chance.hex() * (1 + chance[5] % 8)
    digest = hashlib.blake2b(f"{seed}/{producer}/{seq}/{key}/{value}/{payload}".encode(), digest_size=12).hexdigest()
    return Message(producer, seq, key, value, payload, digest)


def read(row):
    """The message that a row shows, from a dict of its columns; None when the row has not even the shape of one."""
    try:
        return Message(int(row["producer"]), int(row["seq"]), str(row["key"]), int(row["value"]), str(row["payload"]),
                       str(row["digest"]))
    except (KeyError, TypeError, ValueError):
        return None
