"""Drives a command in a terminal of its own and prints what it saw, as JSON.

Steps come on standard input as JSON, one after the other:
  {"size": [rows, columns]}   the terminal's size from now on; the first one before the command starts. It is said again
                              while the next steps wait: docker does not watch before it has told the first size
  {"send": text}              typed
  {"expect": text}            waits until the terminal has shown it since the last step of this kind
"""

import fcntl
import json
import os
import select
import signal
import struct
import sys
import termios
import time

DEADLINE_SECONDS = 30
SAY_AGAIN_SECONDS = 0.5


def set_size(fd, size):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))


def main():
    steps = json.load(sys.stdin)
    deadline = time.monotonic() + DEADLINE_SECONDS
    master, slave = os.openpty()
    set_size(master, steps[0]["size"])
    child = os.fork()
    if child == 0:
        os.close(master)
        login(slave)
        os.execvp(sys.argv[1], sys.argv[1:])
    os.close(slave)
    seen, all_seen = b"", b""
    resized = False

    def read():
        nonlocal seen, all_seen
        while not select.select([master], [], [], SAY_AGAIN_SECONDS)[0]:
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
                raise SystemExit("too late; seen: %r" % all_seen)
            if resized:
                os.kill(child, signal.SIGWINCH)
        try:
            data = os.read(master, 65536)
        except OSError:
            return False
        seen += data
        all_seen += data
        return data != b""

    for step in steps[1:]:
        if "size" in step:
            set_size(master, step["size"])
            os.kill(child, signal.SIGWINCH)
            resized = True
        if "send" in step:
            os.write(master, step["send"].encode())
        if "expect" in step:
            wanted = step["expect"].encode()
            while wanted not in seen:
                if not read():
                    raise SystemExit("ended without %r; seen: %r" % (wanted, all_seen))
            seen = seen[seen.index(wanted) + len(wanted) :]
    while read():
        pass
    status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"code": code, "seen": all_seen.decode("utf8", "replace")}))


def login(slave):
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)


main()
