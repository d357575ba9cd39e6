/*
 * One peer of the shared-memory test, in C. Every peer is started as
 *
 *     peer PATH INDEX PEERS ADDITIONS TURNS
 *
 * opens and maps PATH, waits until all PEERS have mapped it, and then
 *
 *   - adds 1 to a counter ADDITIONS times, atomically,
 *   - adds 1 to a plain number ADDITIONS / 100 times, under a lock made of compare-and-exchange,
 *   - takes its turn TURNS times in a ring: waits for its number, extends the plain message, passes the turn on.
 *
 * The words stand in cache lines of their own, the message on a second page.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 8192, ARRIVED = 0, COUNTER = 128, LOCK = 256, GUARDED = 384, TURN = 512, MESSAGE = 4096 };

static uint64_t *word(char *memory, int offset)
{
	return (uint64_t *)(memory + offset);
}

static void await(uint64_t *address, uint64_t value)
{
	while (__atomic_load_n(address, __ATOMIC_ACQUIRE) != value)
		sched_yield();
}

static void lock(uint64_t *address)
{
	uint64_t expected = 0;

	while (!__atomic_compare_exchange_n(address, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		expected = 0;
		sched_yield();
	}
}

static char *map(const char *path)
{
	int descriptor = open(path, O_RDWR | O_CLOEXEC);
	char *memory;

	if (descriptor < 0) {
		fprintf(stderr, "open %s: %s\n", path, strerror(errno));
		exit(1);
	}
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	if (memory == MAP_FAILED) {
		fprintf(stderr, "mmap %s: %s\n", path, strerror(errno));
		exit(1);
	}
	close(descriptor);
	return memory;
}

int main(int argc, char **argv)
{
	uint64_t index, peers, additions, turns, i;
	char *memory;

	if (argc != 6) {
		fprintf(stderr, "usage: %s PATH INDEX PEERS ADDITIONS TURNS\n", argv[0]);
		return 2;
	}
	index = strtoull(argv[2], NULL, 10);
	peers = strtoull(argv[3], NULL, 10);
	additions = strtoull(argv[4], NULL, 10);
	turns = strtoull(argv[5], NULL, 10);
	memory = map(argv[1]);

	__atomic_fetch_add(word(memory, ARRIVED), 1, __ATOMIC_ACQ_REL);
	await(word(memory, ARRIVED), peers);

	for (i = 0; i < additions; i++)
		__atomic_fetch_add(word(memory, COUNTER), 1, __ATOMIC_ACQ_REL);

	for (i = 0; i < additions / 100; i++) {
		lock(word(memory, LOCK));
		*word(memory, GUARDED) += 1;
		__atomic_store_n(word(memory, LOCK), 0, __ATOMIC_RELEASE);
	}

	for (i = 0; i < turns; i++) {
		await(word(memory, TURN), i * peers + index);
		*word(memory, MESSAGE) = *word(memory, MESSAGE) * 31 + index + 1;
		__atomic_store_n(word(memory, TURN), i * peers + index + 1, __ATOMIC_RELEASE);
	}
	return 0;
}
