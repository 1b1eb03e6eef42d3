"""A pseudo-terminal with a program in it, and the screen as a person would see it.

Screen understands what libedit, a shell and a progress line send to an xterm: text with wide and combining characters, wrapping at
the right edge, moving the cursor, inserting and deleting characters, erasing. Anything else raises, so that no test passes by not
seeing.
"""

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata

SECONDS_MAX = 60
LOOK_SECONDS = 0.2  # a condition may depend on more than what comes
CONTROL = re.compile(r"\x1b\[([?>]?)([\d;]*)([A-Za-z@])|\x1b([()][A-Z0-9]|[=>78])")


def width_of(character):
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


class Screen:
    """Rows of cells. A wide character fills its cell and an empty string in the next. Rows grow without an end: nothing scrolls away."""

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column, self.rest = columns, [[]], 0, 0, ""
        self.bells = 0

    def lines(self):
        return ["".join(row).rstrip() for row in self.rows]

    def text(self):
        return "\n".join(self.lines()).rstrip("\n")

    def last_line(self):
        """The line of the cursor, up to the cursor; spaces kept."""
        return "".join(self._row()[: self.column])

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = CONTROL.match(text, at)
                if not found:
                    if len(text) - at > 16:
                        raise AssertionError(f"a control sequence that no screen knows: {text[at:at + 16]!r}")
                    self.rest = text[at:]
                    return
                self._control(found)
                at = found.end()
            else:
                self._character(text[at])
                at += 1

    def _row(self):
        while len(self.rows) <= self.row:
            self.rows.append([])
        row = self.rows[self.row]
        row.extend(" " * (self.column - len(row)))
        return row

    def _character(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
        elif character == "\b":
            self.column = max(0, min(self.column, self.columns - 1) - 1)
        elif character == "\a":
            self.bells += 1
        elif character == "\t":
            self.column = min(self.columns - 1, (self.column // 8 + 1) * 8)
        elif character < " " or character == "\x7f":
            raise AssertionError(f"a control character: {character!r}")
        else:
            self._put(character)
        self._row()

    def _put(self, character):
        width = width_of(character)
        if width == 0:
            row = self._row()
            if self.column:
                row[self.column - 1] += character
            return
        if self.column + width > self.columns:
            self.row, self.column = self.row + 1, 0
        self._row()[self.column : self.column + width] = [character] + [""] * (width - 1)
        self.column += width

    def _control(self, found):
        private, numbers, verb, short = found.groups()
        if short or private or verb in "mhl":
            return
        count = [int(number or 0) for number in numbers.split(";")]
        many = max(count[0], 1)
        row = self._row()
        if verb == "A":
            self.row = max(0, self.row - many)
        elif verb == "B":
            self.row += many
        elif verb == "C":
            self.column = min(self.columns - 1, self.column + many)
        elif verb == "D":
            self.column = max(0, min(self.column, self.columns - 1) - many)
        elif verb == "G":
            self.column = many - 1
        elif verb == "K" and count[0] == 0:
            del row[self.column :]
        elif verb == "J" and count[0] == 0:
            del row[self.column :]
            del self.rows[self.row + 1 :]
        elif verb == "P":
            del row[self.column : self.column + many]
        elif verb == "@":
            row[self.column : self.column] = " " * many
            del row[self.columns :]
        elif verb == "X":
            row[self.column : self.column + many] = " " * min(many, len(row) - self.column)
        else:
            raise AssertionError(f"a control sequence that this screen does not know: {found.group(0)!r}")
        self._row()


class Terminal:
    """A program whose standard input, output and error are one terminal of `columns` columns."""

    def __init__(self, command, columns=80, lines=24, environment=None, stderr=None):
        self.screen, self.raw = Screen(columns), ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.master, slave = pty.openpty()
        self.resize(columns, lines)
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=slave, stdout=slave, stderr=slave if stderr is None else stderr, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(environment or {})})
        os.close(slave)

    def resize(self, columns, lines=24):
        self.screen.columns = columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def send(self, text):
        data = text.encode()
        while data:
            ready = select.select([self.master], [self.master], [], SECONDS_MAX)
            if ready[0] and not self._read():
                raise AssertionError("the program is gone")
            if ready[1]:
                data = data[os.write(self.master, data[:512]) :]

    def _read(self):
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # EIO: the program closed its end
            data = b""
        text = self.decoder.decode(data)
        self.raw += text
        self.screen.feed(text)
        return bool(data)

    def wait_until(self, condition, what):
        limit = time.monotonic() + SECONDS_MAX
        while not condition():
            left = limit - time.monotonic()
            ready = select.select([self.master], [], [], min(max(left, 0), LOOK_SECONDS))[0]
            if left <= 0 or (ready and not self._read() and not condition()):
                raise AssertionError(f"{what} never came. The screen:\n{self.screen.text()}\n-- raw: {self.raw[-600:]!r}")

    def wait_for(self, text):
        self.wait_until(lambda: text in self.screen.text(), repr(text))

    def wait_end(self):
        """Reads to the end and returns the exit code."""
        with contextlib.suppress(AssertionError):
            self.wait_until(lambda: False, "")
        return self.process.wait(timeout=SECONDS_MAX)

    def is_cooked(self):
        """Whether the terminal echoes and edits lines itself, as it did before the program came."""
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO) and bool(termios.tcgetattr(self.master)[3] & termios.ICANON)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
