"""multiprocessing's locks, semaphores, queues, pools, arrays: libc semaphores and files in /dev/shm below all of them.

Prints nothing but the last line.
"""

import ctypes
import multiprocessing
import os
import queue

CHILDREN = 4
ROUNDS = 500
PATIENCE = 60


def add(lock, number):
    for _ in range(ROUNDS):
        with lock:
            number.value += 1


def hold(semaphore, inside, most, failed):
    for _ in range(50):
        with semaphore:
            with inside.get_lock():
                inside.value += 1
                most.value = max(most.value, inside.value)
                if inside.value > 2:
                    failed.set()
            with inside.get_lock():
                inside.value -= 1


def meet(barrier, array, index):
    for i in range(20):
        array[index] = i
        barrier.wait(PATIENCE)
        assert list(array) == [i] * CHILDREN
        barrier.wait(PATIENCE)


def serve(requests, replies):
    for number in iter(requests.get, None):
        replies.put(number * number)


def watch(condition, number):
    with condition:
        assert condition.wait_for(lambda: number.value == 7, PATIENCE)


def square(number):
    return number * number, os.getpid()


def run(context, targets):
    """Starts children. The caller keeps what it hands to them: a name is removed with the parent's last reference."""
    children = [context.Process(target=function, args=arguments) for function, arguments in targets]
    for child in children:
        child.start()
    return children


def join(children):
    for child in children:
        child.join(PATIENCE)
        assert child.exitcode == 0, child.exitcode


def locks(context):
    number = context.Value(ctypes.c_long, 0, lock=False)
    for lock in (context.Lock(), context.RLock(), context.Semaphore(1), context.BoundedSemaphore(1)):
        number.value = 0
        join(run(context, [(add, (lock, number))] * CHILDREN))
        assert number.value == CHILDREN * ROUNDS, number.value
    assert context.Lock().acquire(timeout=0.01)
    taken = context.Lock()
    taken.acquire()
    assert not taken.acquire(block=False)
    assert not taken.acquire(timeout=0.05)
    bounded = context.BoundedSemaphore(2)
    try:
        bounded.release()
        raise AssertionError("released above its bound")
    except ValueError:
        pass


def counting(context):
    inside, most, failed = context.Value("i", 0), context.Value("i", 0), context.Event()
    semaphore = context.Semaphore(2)
    join(run(context, [(hold, (semaphore, inside, most, failed))] * CHILDREN))
    assert not failed.is_set() and inside.value == 0 and 1 <= most.value <= 2


def meeting(context):
    array, barrier = context.Array("l", CHILDREN), context.Barrier(CHILDREN)
    join(run(context, [(meet, (barrier, array, i)) for i in range(CHILDREN)]))
    condition, number = context.Condition(), context.Value("i", 0)
    children = run(context, [(watch, (condition, number))] * CHILDREN)
    with condition:
        number.value = 7
        condition.notify_all()
    join(children)


def queues(context):
    requests, replies = context.Queue(), context.Queue(maxsize=3)
    children = run(context, [(serve, (requests, replies))] * CHILDREN)
    for number in range(200):
        requests.put(number)
    results = sorted(replies.get(timeout=PATIENCE) for _ in range(200))
    assert results == [number * number for number in range(200)]
    try:
        replies.get(timeout=0.05)
        raise AssertionError("an empty queue gave something")
    except queue.Empty:
        pass
    for _ in children:
        requests.put(None)
    join(children)
    for used in (requests, replies):
        used.close()
        used.join_thread()


def pools(context):
    with context.Pool(CHILDREN) as pool:
        results = pool.map(square, range(300), chunksize=7)
        assert [result for result, _ in results] == [number * number for number in range(300)]
        assert sum(pool.imap_unordered(abs, range(-50, 0))) == sum(range(51))
        pool.close()
        pool.join()


def main():
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        for test in (locks, counting, meeting, queues, pools):
            test(context)
    print("done")


if __name__ == "__main__":
    main()
