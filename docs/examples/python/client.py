"""client: writes out the file that the server reads into the ring of chunks in a shared-memory object.

    python3 client.py OBJECT COPY        OBJECT is the server's, for example /dev/shm/copy
"""

import mmap
import os
import sys
import time

from ring import CHUNK, IDENTITY, MAGIC, SIZE, SLOTS, Failure, chunk_of, has_failed, length_of, run, say, semaphores, set_failed


def open_ring(path):
    """Map the server's object after checking that it is one of this layout."""
    file = os.open(path, os.O_RDWR)
    try:
        if os.fstat(file).st_size < SIZE:
            raise Failure(f"{path} is too small for a ring")
        ring = mmap.mmap(file, SIZE)
    finally:
        os.close(file)
    if IDENTITY.unpack_from(ring) != (MAGIC, SLOTS, CHUNK):
        ring.close()
        raise Failure(f"{path} is no ring of {SLOTS} chunks of {CHUNK} bytes")
    return ring


def write_all(copy, chunk):
    written = 0
    while written < len(chunk):
        with chunk[written:] as rest:
            written += os.write(copy, rest)


def receive_file(view, full, empty, copy):
    """Write straight from the mapping. The first chunk is known to be full when this is called."""
    written, slot = 0, 0
    while not has_failed(view):
        length = length_of(view, slot)
        if length == 0:
            say(f"client: wrote {written} bytes, ended at {time.monotonic():.9f}")
            return
        if length > CHUNK:
            raise Failure(f"the server announces a chunk of {length} bytes")
        with chunk_of(view, slot) as chunk, chunk[:length] as content:
            write_all(copy, content)
        written += length
        empty.post()
        full.take()
        slot = (slot + 1) % SLOTS
    raise Failure("the server has failed")


def wait_for_server(full, empty):
    try:
        full.take()
    except BaseException:
        full.unlink()
        empty.unlink()  # there is no server that would do it
        raise


def receive(path, copy):
    """Return only after the server knows how it went."""
    full, empty = semaphores(path)
    say("client: ready")
    wait_for_server(full, empty)
    ring = open_ring(path)
    try:
        with memoryview(ring) as view:
            receive_file(view, full, empty, copy)
    except BaseException:
        set_failed(ring)
        raise
    finally:
        empty.post()
        ring.close()
        full.close()
        empty.close()


def copy(object_path, copy_path):
    file = os.open(copy_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        receive(object_path, file)
    finally:
        os.close(file)


if __name__ == "__main__":
    sys.exit(run("client", "client.py OBJECT COPY", copy, sys.argv[1:]))
