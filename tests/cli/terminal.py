#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""terminal.py PROGRAM: what only a terminal shows: the conversation of `run`, Ctrl-C, progress, harmless text, a model
file cut short in use, and that a killed writer leaves nothing behind. Prints what differs; exits 1 on any difference, 77 without terminals."""
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath(sys.argv[1])
SECONDS = 60
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print("FAIL " + what)


class Terminal:
    """The program on a terminal of its own; `text` is all it has printed."""

    def __init__(self, *words):
        self.text = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(PROGRAM, [PROGRAM, *words])

    def wait_for(self, what, start=0):
        """Reads until `what` appears at or after byte `start`; returns the position after it."""
        deadline = time.monotonic() + SECONDS
        while self.text.find(what, start) < 0 and time.monotonic() < deadline and self.read():
            pass
        at = self.text.find(what, start)
        expect(at >= 0, "%r appears, got %r" % (what, self.text[start:][-300:]))
        return at + len(what) if at >= 0 else len(self.text)

    def read(self):
        if not select.select([self.fd], [], [], 1)[0]:
            return True
        try:
            block = os.read(self.fd, 4096)
        except OSError:  # the program has ended
            return False
        self.text += block
        return bool(block)

    def wait_until_asleep(self):
        """Reads nothing until the program has written all that a terminal takes, and sleeps."""
        deadline = time.monotonic() + SECONDS
        n_asleep = 0
        while n_asleep < 10 and time.monotonic() < deadline:
            time.sleep(0.02)
            with open("/proc/%d/stat" % self.pid, encoding="utf-8") as stat:
                n_asleep = n_asleep + 1 if stat.read().rpartition(") ")[2][0] == "S" else 0

    def type(self, keys):
        os.write(self.fd, keys)

    def end(self):
        """Exit code; negative: the signal that ended it."""
        deadline = time.monotonic() + SECONDS
        while self.read() and time.monotonic() < deadline:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def conversation():
    talk = Terminal("run", "moe.gguf", "-n", "20", "--temp", "0", "--no-roof", "--ignore-eos")
    at = talk.wait_for(b"> ")
    talk.type(b"once upon\n")
    at = talk.wait_for(b"once upon\r\n", at)
    end = talk.wait_for(b"\r\n> ", at)
    first = talk.text[at:end]
    expect(len(first) > 10, "a line is continued, got %r" % first)
    talk.type(b"a word\n")
    at = talk.wait_for(b"\r\n> ", talk.wait_for(b"a word\r\n", end))
    talk.type(b"/stats\n")
    at = talk.wait_for(b"> ", talk.wait_for(b"positions used", at))
    talk.type(b"/reset\n")
    at = talk.wait_for(b"> ", talk.wait_for(b"/reset\r\n", at))
    talk.type(b"once upon\n")
    at = talk.wait_for(b"once upon\r\n", at)
    end = talk.wait_for(b"\r\n> ", at)
    expect(talk.text[at:end] == first, "/reset forgets: %r, then %r" % (first, talk.text[at:end]))
    talk.type(b"/nothing\n")
    at = talk.wait_for(b"> ", talk.wait_for(b"moescope: command: unknown, expected /help", end))
    talk.type(b"\x03")
    at = talk.wait_for(b"> ", at)
    talk.type(b"\x04")
    talk.wait_for(b"| logits ", at)
    expect(talk.end() == 0, "Ctrl-D ends with 0")
    control = [byte for byte in talk.text if byte < 32 and byte not in b"\r\n\t"]
    expect(not control, "no control character reaches the terminal, got %r" % control)


def interrupt():
    run = Terminal("run", "moe.gguf", "-p", "once", "-n", "-1", "--ctx", "20000", "--exact", "--ignore-eos",
                   "--no-roof")
    at = run.wait_for(b"not for text\r\n")
    while len(run.text) < at + 20 and run.read():
        pass
    run.type(b"\x03")
    run.wait_for(b"prefill ", at)
    expect(run.end() == 0, "Ctrl-C ends the text with 0")
    expect(b"tokens is full" not in run.text, "Ctrl-C ends the text before the context is full")


def interrupt_while_writing():
    """The signal comes while a write waits for the reader: what stdio holds is not lost."""
    run = Terminal("run", "moe.gguf", "-p", "once", "-n", "-1", "--ctx", "20000", "--ignore-eos", "--no-roof")
    run.wait_until_asleep()
    os.kill(run.pid, signal.SIGINT)
    time.sleep(0.1)
    run.wait_for(b"prefill ")
    expect(run.end() == 0, "a signal during a write ends the text with 0")
    expect(b"cannot write" not in run.text, "a signal during a write is no failure to write")


def progress():
    synth = Terminal("synth", "tiny-olmoe", "shown.gguf")
    synth.wait_for(b"synth [")
    synth.wait_for(b"shown.gguf: synthetic ")
    expect(synth.end() == 0, "synth ends with 0")


def vanished_model():
    shutil.copy("moe.gguf", "cut.gguf")
    talk = Terminal("run", "cut.gguf", "-n", "20", "--no-roof")
    talk.wait_for(b"> ")
    os.truncate("cut.gguf", 4096)
    talk.type(b"once upon\n")
    talk.wait_for(b"moescope: model file: bytes vanished while it was in use")
    expect(talk.end() == 1, "a model cut short ends with 1")
    expect(talk.text.count(b"bytes vanished") == 1, "said once, whatever the threads")


def killed_writer():
    space = os.statvfs(".")
    if space.f_bavail * space.f_frsize < 2e9:
        print("SKIP killed writer: less than 2 GB of disk")
        return
    for number in signal.SIGTERM, signal.SIGINT:
        writer = subprocess.Popen([PROGRAM, "synth", "llama-3.2-1b", "big.gguf"], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + SECONDS
        while not os.path.exists("big.gguf.partial") and writer.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        writer.send_signal(number)
        code = writer.wait()
        expect(code == -number, "the writer ends by signal %d, got %d" % (number, code))
        left = [name for name in os.listdir(".") if name.startswith("big")]
        expect(not left, "a killed writer leaves nothing, found %s" % left)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([PROGRAM, "synth", "tiny-olmoe", "moe.gguf"], check=True, stdout=subprocess.DEVNULL)
        for test in conversation, interrupt, interrupt_while_writing, progress, vanished_model, killed_writer:
            test()
        os.chdir("/")
    print("%d failures" % len(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        import pty
        os.close(os.openpty()[0])
    except (ImportError, OSError) as problem:
        print("SKIP terminal: %s" % problem)
        sys.exit(77)
    sys.exit(main())
