"""A TCP proxy in front of a node that harms connections: it resets them before, within or after a request, swallows answers, delays
them for a while, or takes bytes and answers never. Each connection draws one fault, which strikes after a random number of requests.
"""

import contextlib
import random
import select
import socket
import struct
import threading
import time

FAULTS = ("reset_request", "reset_answer", "cut_answer", "delay", "blackhole")
REQUESTS_MAX = 6
READ_BYTES = 65536


def reset(connection):
    """Closes with RST instead of FIN."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


class Proxy(threading.Thread):
    def __init__(self, port, seed, blackhole_seconds, delay_seconds_max=0.05):
        super().__init__(daemon=True)
        self.target, self.seed = port, seed
        self.blackhole_seconds, self.delay_seconds_max = blackhole_seconds, delay_seconds_max
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.healthy = threading.Event()
        self.struck = dict.fromkeys(FAULTS, 0)
        self.lock = threading.Lock()

    def run(self):
        number = 0
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self.serve, args=(client, random.Random(f"{self.seed}/{number}")), daemon=True).start()

    def close(self):
        self.listener.close()

    def broken(self):
        """How many connections were broken off."""
        return sum(count for fault, count in self.struck.items() if fault != "delay")

    def serve(self, client, chance):
        fault = chance.choices(FAULTS, weights=(4, 6, 4, 4, 1))[0]
        strike_at = chance.randint(1, REQUESTS_MAX)
        requests = 0
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            return reset(client)
        answering = False  # the bytes that came last were of the request
        while True:
            for ready in select.select([client, server], [], [])[0]:
                try:
                    piece = ready.recv(READ_BYTES)
                except OSError:
                    piece = b""
                if not piece:
                    reset(client)
                    return server.close()
                if ready is client and not answering:
                    requests += 1
                answering = ready is client
                if requests >= strike_at and not self.healthy.is_set():
                    piece, over = self.strike(fault, piece, ready is client, chance)
                    if over:
                        with contextlib.suppress(OSError):
                            (server if ready is client else client).sendall(piece)
                        reset(client)
                        return reset(server) if chance.random() < 0.5 else server.close()
                with contextlib.suppress(OSError):
                    (server if ready is client else client).sendall(piece)

    def strike(self, fault, piece, of_request, chance):
        """(what of the piece still goes through, whether the connection ends then)"""
        if of_request != (fault == "reset_request"):
            return piece, False
        with self.lock:
            self.struck[fault] += 1
        if fault in ("reset_request", "cut_answer"):
            return piece[:chance.randrange(len(piece))], True
        if fault == "delay":
            time.sleep(chance.uniform(0, self.delay_seconds_max))
            return piece, chance.random() < 0.2  # or in the end all connections would be slow ones
        if fault == "blackhole":
            self.healthy.wait(self.blackhole_seconds)
        return b"", True
