"""A headless Chromium, driven over the DevTools protocol; the little of RFC 6455 (WebSocket) that this takes is here too."""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0"]
WAIT_SECONDS = 120  # a bound against hanging, generous for a busy machine


def find_chromium() -> str | None:
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def wait_until(what: str, condition, seconds: float = WAIT_SECONDS):
    """Asks until the answer is true; returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for: {what}")


class WebSocket:
    """A client that sends and receives whole text messages."""

    def __init__(self, url: str):
        host, path = url.removeprefix("ws://").split("/", 1)
        name, port = host.rsplit(":", 1)
        self._socket = socket.create_connection((name, int(port)), timeout=WAIT_SECONDS)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall((f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._take(1)
        assert b" 101 " in head.split(b"\r\n")[0], head

    def send(self, text: str) -> None:
        data = text.encode()
        mask = os.urandom(4)
        size = len(data)
        head = (struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0xFE, size) if size < 65536
                else struct.pack("!BBQ", 0x81, 0xFF, size))
        self._socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def receive(self) -> str:
        data = b""
        while True:
            first, size = self._take(2)
            if size == 126:
                size = struct.unpack("!H", self._take(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self._take(8))[0]
            piece = self._take(size)
            if first & 0x0F in (0, 1):
                data += piece
                if first & 0x80:
                    return data.decode()

    def close(self) -> None:
        self._socket.close()

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("the browser closed the connection")
            data += piece
        return data


class Browser:
    """One page in a browser of its own. `problems` collects console errors, exceptions and failed loads;
    `requested` the addresses it asked for."""

    def __init__(self, chromium: str, width: int = 1440, height: int = 1200):
        self._profile = tempfile.mkdtemp(prefix="millrace-browser-")
        command = [chromium, *FLAGS, f"--user-data-dir={self._profile}", f"--window-size={width},{height}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = Path(self._profile) / "DevToolsActivePort"
        wait_until("the browser's port", lambda: port_file.exists() and len(port_file.read_text().splitlines()) == 2)
        port = port_file.read_text().splitlines()[0]
        self._socket = WebSocket(wait_until("a page", lambda: self._page_url(port)))
        self._next = 0
        self.problems: list[str] = []
        self.requested: set[str] = set()
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters) -> dict:
        self._next += 1
        self._socket.send(json.dumps({"id": self._next, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.receive())
            if message.get("id") == self._next:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def text(self, selector: str) -> str:
        return self.evaluate(f"(document.querySelector({json.dumps(selector)}) || {{textContent: ''}}).textContent")

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]))

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _note(self, message: dict) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append("exception: " + json.dumps(parameters["exceptionDetails"])[:500])
        elif message.get("method") == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.problems.append("console: " + json.dumps(parameters["args"])[:500])
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append("log: " + parameters["entry"]["text"] + " " + parameters["entry"].get("url", ""))
        elif message.get("method") == "Network.requestWillBeSent":
            self.requested.add(parameters["request"]["url"])

    @staticmethod
    def _page_url(port: str) -> str | None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=WAIT_SECONDS) as answer:
            pages = [one for one in json.load(answer) if one["type"] == "page"]
        return pages[0]["webSocketDebuggerUrl"] if pages else None
