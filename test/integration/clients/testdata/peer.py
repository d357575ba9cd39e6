"""One peer of the shared-memory test, in Python: see peer.c for what a peer does and how it is started.

Python has no atomic operations of its own: they are called in GCC's libatomic, on the memory that the mmap module mapped.
"""

import ctypes
import mmap
import os
import sys

SIZE = 8192
ARRIVED, COUNTER, LOCK, GUARDED, TURN, MESSAGE = 0, 128, 256, 384, 512, 4096
RELAXED, ACQUIRE, RELEASE, ACQUIRE_RELEASE = 0, 2, 3, 4

libatomic = ctypes.CDLL("libatomic.so.1")
fetch_add = getattr(libatomic, "__atomic_fetch_add_8")
fetch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int]
fetch_add.restype = ctypes.c_uint64
load = getattr(libatomic, "__atomic_load_8")
load.argtypes = [ctypes.c_void_p, ctypes.c_int]
load.restype = ctypes.c_uint64
store = getattr(libatomic, "__atomic_store_8")
store.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int]
store.restype = None
exchange_if = getattr(libatomic, "__atomic_compare_exchange_8")
exchange_if.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, ctypes.c_int]
exchange_if.restype = ctypes.c_bool


def wait_for(address, value):
    while load(address, ACQUIRE) != value:
        os.sched_yield()


def lock(address):
    expected = ctypes.c_uint64(0)
    while not exchange_if(address, ctypes.addressof(expected), 1, ACQUIRE, RELAXED):
        expected.value = 0
        os.sched_yield()


def main():
    path = sys.argv[1]
    index, peers, additions, turns = map(int, sys.argv[2:])
    with open(path, "r+b", buffering=0) as file:
        memory = mmap.mmap(file.fileno(), SIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    words = memoryview(memory).cast("Q")

    fetch_add(base + ARRIVED, 1, ACQUIRE_RELEASE)
    wait_for(base + ARRIVED, peers)

    for _ in range(additions):
        fetch_add(base + COUNTER, 1, ACQUIRE_RELEASE)

    for _ in range(additions // 100):
        lock(base + LOCK)
        words[GUARDED // 8] += 1
        store(base + LOCK, 0, RELEASE)

    for i in range(turns):
        turn = i * peers + index
        wait_for(base + TURN, turn)
        words[MESSAGE // 8] = (words[MESSAGE // 8] * 31 + index + 1) % 2**64
        store(base + TURN, turn + 1, RELEASE)


main()
