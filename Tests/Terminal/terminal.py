"""A program at a pseudo-terminal, with nothing but Python's own library."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

# Only a failure takes so long; a debug build on a busy machine is slow.
LIMIT = 120


class Failure(Exception):
    pass


class Terminal:
    def __init__(self, command, environment, rows=30, columns=100, folder=None):
        self.seen = ""  # all that was ever shown
        self.mark = 0  # what was waited for ends here
        self.status = None
        told, tell = os.pipe()
        self.leader, self.file = pty.fork()
        if self.leader == 0:
            try:
                if folder:
                    os.chdir(folder)
                size(0, rows, columns)
                os._exit(run_job(command, environment, tell))
            finally:
                os._exit(127)
        os.close(tell)
        self.pid = int(os.read(told, 32) or b"0")  # of the program itself
        os.close(told)

    def resize(self, rows, columns):
        size(self.file, rows, columns)

    def send(self, text):
        os.write(self.file, text.encode())

    def _read(self, until):
        """More output; False at its end."""
        ready, _, _ = select.select([self.file], [], [], max(until - time.monotonic(), 0))
        if not ready:
            raise Failure(f"nothing more came; the last of it: {self.seen[-400:]!r}")
        try:
            data = os.read(self.file, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def wait(self, pattern):
        """Until the pattern appears behind what was waited for last; the match."""
        until = time.monotonic() + LIMIT
        while True:
            match = re.compile(pattern).search(self.seen, self.mark)
            if match:
                self.mark = match.end()
                return match
            if not self._read(until):
                raise Failure(f"it ended before {pattern!r} came; the last of it: {self.seen[-400:]!r}")

    def wait_for_editor(self, limit=4):
        """Until keys are read one by one: a Ctrl-D that comes before is the terminal's, and lost. A program that does
        not edit lines never gets there; then after the limit."""
        until = time.monotonic() + limit
        while termios.tcgetattr(self.file)[3] & termios.ECHO and time.monotonic() < until:
            time.sleep(0.01)

    def end(self):
        """Waits for the program's end; its exit status."""
        until = time.monotonic() + LIMIT
        while self._read(until):
            pass
        _, status = os.waitpid(self.leader, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def state(self):
        """The program's state letter in /proc."""
        with open(f"/proc/{self.pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]

    def wait_for_state(self, letter):
        until = time.monotonic() + LIMIT
        while self.state() != letter:
            if time.monotonic() > until:
                raise Failure(f"it is in state {self.state()} and not in {letter}")
            time.sleep(0.02)

    def signal(self, number):
        os.kill(self.pid, number)

    def close(self):
        if self.status is None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.leader, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        os.close(self.file)


def size(file, rows, columns):
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def run_job(command, environment, tell):
    """Runs a command as a shell does, in a group of its own that has the terminal: only then can it be stopped."""
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.write(tell, str(os.getpid()).encode())
        os.close(tell)
        os.execvpe(command[0], command, environment)
    os.close(tell)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def plain(text):
    """Without control sequences, lines that were erased, and carriage returns."""
    text = re.sub(r"[^\n]*\r\x1b\[K", "", text)
    return re.sub(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[=>]|\([B0])|\r", "", text)
