"""server: reads a file into a ring of chunks in a shared-memory object; the client writes it out from there.

    python3 server.py SOURCE OBJECT        OBJECT is a path in the mount, for example /dev/shm/copy

Server and client may be started in either order. The server ends when the client has written everything, and then
removes the object and its semaphores.
"""

import mmap
import os
import sys
import time

from ring import CHUNK, IDENTITY, MAGIC, SIZE, SLOTS, Failure, chunk_of, has_failed, run, say, semaphores, set_failed, set_length


def create_ring(path):
    """Create the object and map it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.ftruncate(file, SIZE)
        ring = mmap.mmap(file, SIZE)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(file)  # the mapping stays
    IDENTITY.pack_into(ring, 0, MAGIC, SLOTS, CHUNK)
    return ring


def wait_empty(view, empty):
    """Return when one more slot is empty."""
    empty.take()
    if has_failed(view):
        raise Failure("the client has failed")


def read_chunk(source, chunk):
    """Fill the chunk; return fewer bytes than it holds only at the end of the file."""
    filled = 0
    while filled < len(chunk):
        with chunk[filled:] as rest:
            count = os.readv(source, [rest])
        if count == 0:
            break
        filled += count
    return filled


def send_file(source, view, full, empty):
    """Read straight into the mapping: no buffer lies between the file and the shared memory."""
    sent, slot, length = 0, 0, -1
    began = time.monotonic()
    while length != 0:
        wait_empty(view, empty)
        with chunk_of(view, slot) as chunk:
            length = read_chunk(source, chunk)
        set_length(view, slot, length)
        full.post()
        sent += length
        slot = (slot + 1) % SLOTS
    for _ in range(SLOTS):  # all slots are empty once the client is done
        wait_empty(view, empty)
    say(f"server: sent {sent} bytes, began at {began:.9f}")


def serve(source, path):
    ring = create_ring(path)
    opened = []
    try:
        opened.extend(semaphores(path))
        say("server: ready")
        with memoryview(ring) as view:
            send_file(source, view, *opened)
    except BaseException:
        set_failed(ring)
        for full in opened[:1]:
            full.post()
        raise
    finally:
        for semaphore in opened:
            semaphore.close()
            semaphore.unlink()
        os.unlink(path)  # last, so that semaphores without an object always have their first values
        ring.close()


def copy(source_path, object_path):
    source = os.open(source_path, os.O_RDONLY)
    try:
        serve(source, object_path)
    finally:
        os.close(source)


if __name__ == "__main__":
    sys.exit(run("server", "server.py SOURCE OBJECT", copy, sys.argv[1:]))
