"""multiprocessing.shared_memory: several processes make, find, fill and remove objects. Prints nothing but the last line."""

import multiprocessing
import os
import subprocess
import sys
from multiprocessing import resource_tracker, shared_memory
from multiprocessing.managers import SharedMemoryManager

SIZE = 1 << 20
CHILDREN = 4

# A program of its own, no child of multiprocessing. Before Python 3.13 whoever attaches is made to clean up too.
STRANGER = """
import sys
from multiprocessing import resource_tracker, shared_memory
new = sys.version_info >= (3, 13)
memory = shared_memory.SharedMemory(sys.argv[1], **({"track": False} if new else {}))
if not new:
    resource_tracker.unregister(memory._name, "shared_memory")
assert bytes(memory.buf[:5]) == b"hello"
memory.buf[:5] = b"world"
memory.close()
"""


def fill(name, index):
    """Attaches to an object and fills this child's part of it."""
    memory = shared_memory.SharedMemory(name)
    part = SIZE // CHILDREN
    memory.buf[index * part : (index + 1) * part] = bytes([index + 1]) * part
    memory.close()


def hand_over(method):
    """One parent, several children of a start method, one object."""
    context = multiprocessing.get_context(method)
    memory = shared_memory.SharedMemory(create=True, size=SIZE)
    assert memory.size == SIZE
    assert os.stat("/dev/shm/" + memory.name).st_size == SIZE
    assert not any(memory.buf[:4096])
    children = [context.Process(target=fill, args=(memory.name, i)) for i in range(CHILDREN)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0, child.exitcode
    part = SIZE // CHILDREN
    assert bytes(memory.buf) == b"".join(bytes([i + 1]) * part for i in range(CHILDREN))
    memory.close()
    memory.unlink()
    try:
        shared_memory.SharedMemory(memory.name)
    except FileNotFoundError:
        return
    raise AssertionError("an unlinked object can still be opened")


def stranger():
    memory = shared_memory.SharedMemory("shmfs-stranger", create=True, size=100)
    try:
        shared_memory.SharedMemory("shmfs-stranger", create=True, size=100)
        raise AssertionError("created twice")
    except FileExistsError:
        pass
    memory.buf[:5] = b"hello"
    subprocess.run([sys.executable, "-c", STRANGER, memory.name], check=True)
    assert bytes(memory.buf[:5]) == b"world"
    memory.close()
    memory.unlink()


def lists():
    values = shared_memory.ShareableList([1, 2.5, "text", b"bytes", None, True])
    twin = shared_memory.ShareableList(name=values.shm.name)
    twin[0], twin[2] = 99, "next"
    assert list(values) == [99, 2.5, "next", b"bytes", None, True]
    twin.shm.close()
    values.shm.close()
    values.shm.unlink()
    with SharedMemoryManager() as manager:
        managed = [manager.SharedMemory(4096) for _ in range(8)]
        names = [memory.name for memory in managed]
        assert all(os.path.exists("/dev/shm/" + name) for name in names)
        for memory in managed:
            memory.close()
    assert not any(os.path.exists("/dev/shm/" + name) for name in names)


def main():
    for method in ("fork", "spawn", "forkserver"):
        hand_over(method)
    stranger()
    lists()
    print("done")


if __name__ == "__main__":
    main()
