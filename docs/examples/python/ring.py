"""The shared-memory object of server.py and client.py, laid out as ../c/ring.h has it, and libc's named semaphores.

The C and the Python programs understand each other: either server goes with either client.
"""

import ctypes
import errno
import os
import signal
import struct
import sys
import time

MAGIC = 0x676E6972  # "ring"
SLOTS = 4
CHUNK = 256 * 1024  # bytes handed over at a time
DATA = 4096  # where the first chunk begins
SIZE = DATA + SLOTS * CHUNK
PATIENCE = float(os.environ.get("PATIENCE", "30"))  # seconds after which a silent partner is taken for dead

IDENTITY = struct.Struct("=III")  # magic, slots, chunk, at 0
WORD = struct.Struct("=I")
FAILED_AT = 12  # set by the side that gives up, before it wakes the other
LENGTHS_AT = 16  # bytes in each slot; 0 is the end of the file


class Failure(Exception):
    """What went wrong, in one line."""


def chunk_of(view, slot):
    """The part of the mapping that holds the slot's chunk."""
    begin = DATA + slot * CHUNK
    return view[begin : begin + CHUNK]


def length_of(view, slot):
    return WORD.unpack_from(view, LENGTHS_AT + 4 * slot)[0]


def set_length(view, slot, length):
    WORD.pack_into(view, LENGTHS_AT + 4 * slot, length)


def has_failed(view):
    return WORD.unpack_from(view, FAILED_AT)[0] != 0


def set_failed(view):
    WORD.pack_into(view, FAILED_AT, 1)


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


libc = ctypes.CDLL(None, use_errno=True)
libc.sem_open.restype = ctypes.c_void_p
libc.sem_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_uint]
libc.sem_timedwait.argtypes = [ctypes.c_void_p, ctypes.POINTER(Timespec)]
libc.sem_post.argtypes = [ctypes.c_void_p]
libc.sem_close.argtypes = [ctypes.c_void_p]
libc.sem_unlink.argtypes = [ctypes.c_char_p]


class Semaphore:
    """A named semaphore, the same one that C's sem_open gives. It is created unless it exists."""

    def __init__(self, name, first_value):
        self.name = name
        self.address = libc.sem_open(os.fsencode(name), os.O_CREAT, 0o600, first_value)
        if not self.address:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)

    def take(self):
        """Wait for the semaphore; a signal handler runs (and may raise) while waiting."""
        deadline = time.time() + PATIENCE
        until = Timespec(int(deadline), int(deadline % 1 * 1e9))
        while libc.sem_timedwait(self.address, ctypes.byref(until)) != 0:
            error = ctypes.get_errno()
            if error != errno.EINTR:
                raise OSError(error, os.strerror(error), self.name)

    def post(self):
        libc.sem_post(self.address)

    def close(self):
        libc.sem_close(self.address)

    def unlink(self):
        libc.sem_unlink(os.fsencode(self.name))


def semaphores(object_path):
    """The semaphores of an object: how many chunks the client may write out, and how many the server may fill."""
    name = os.path.basename(object_path)
    if not name:
        raise Failure(f"{object_path} names no file")
    return Semaphore(f"/{name}.full", 0), Semaphore(f"/{name}.empty", SLOTS)


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(who, usage, copy, arguments):
    """Call copy with the two arguments; return the exit status: 0, 1 for a failure, 2 for a wrong call."""
    if len(arguments) != 2:
        say(f"usage: {usage}")
        return 2

    def stop(number, frame):
        raise Failure("stopped by a signal")

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        copy(*arguments)
    except (OSError, Failure) as error:
        say(f"{who}: {error}")
        return 1
    return 0
