/*
 * mapper: maps files and touches memory on command, one command a line, one answer a line.
 *
 * An access that faults is answered with the signal's name, so that a test may look at what would have killed it.
 * Answers: "ok", "value N", "errno N", "SIGBUS", "SIGSEGV".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 32 };

static int descriptors[SLOTS];
static volatile unsigned char *maps[SLOTS];
static sigjmp_buf fault;

static void on_fault(int number)
{
	siglongjmp(fault, number);
}

static void answer_call(long result)
{
	if (result < 0)
		printf("errno %d\n", errno);
	else
		printf("ok\n");
}

static void answer_signal(int number)
{
	printf("%s\n", number == SIGBUS ? "SIGBUS" : "SIGSEGV");
}

static void map_at(void *address, int map, int descriptor, size_t length, int protection, int flags, off_t offset)
{
	void *memory = mmap(address, length, protection, flags, descriptor < 0 ? -1 : descriptors[descriptor], offset);
	if (memory == MAP_FAILED) {
		answer_call(-1);
		return;
	}
	maps[map] = memory;
	printf("ok\n");
}

static void load(int map, size_t offset)
{
	int number = sigsetjmp(fault, 1);
	if (number) {
		answer_signal(number);
		return;
	}
	unsigned value = maps[map][offset];
	printf("value %u\n", value);
}

static void store(int map, size_t offset, int value)
{
	int number = sigsetjmp(fault, 1);
	if (number) {
		answer_signal(number);
		return;
	}
	maps[map][offset] = (unsigned char)value;
	printf("ok\n");
}

/* A function of no arguments that returns 42, as the processor reads it. */
static const unsigned char return_42[] = {
#if defined(__x86_64__)
	0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3,
#elif defined(__aarch64__)
	0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6,
#else
#error "give the bytes of a function that returns 42 on this processor"
#endif
};

static void call(int map, size_t offset)
{
	int number = sigsetjmp(fault, 1);
	if (number) {
		answer_signal(number);
		return;
	}
	int (*function)(void) = (int (*)(void))(uintptr_t)(maps[map] + offset);
	printf("value %d\n", function());
}

/* The forked child stores, and exits with what it finds at the place beside. */
static void fork_store(int map, size_t offset, int value)
{
	pid_t child = fork();
	if (child < 0) {
		answer_call(-1);
		return;
	}
	if (child == 0) {
		maps[map][offset] = (unsigned char)value;
		_exit(maps[map][offset + 1]);
	}
	int status = 0;
	if (waitpid(child, &status, 0) < 0) {
		answer_call(-1);
		return;
	}
	if (WIFSIGNALED(status))
		answer_signal(WTERMSIG(status));
	else
		printf("value %d\n", WEXITSTATUS(status));
}

static void add(int map, size_t offset, int count)
{
	unsigned *word = (unsigned *)(uintptr_t)(maps[map] + offset);
	for (int i = 0; i < count; i++)
		__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	printf("ok\n");
}

static int obey(const char *line)
{
	char path[4097];
	int a, b, c, d;
	size_t x, y;
	long z;

	if (sscanf(line, "open %d %4096s %d %d", &a, path, &b, &c) == 4) {
		descriptors[a] = open(path, b, c);
		answer_call(descriptors[a]);
	} else if (sscanf(line, "close %d", &a) == 1) {
		answer_call(close(descriptors[a]));
	} else if (sscanf(line, "map %d %d %zu %d %d %ld", &a, &b, &x, &c, &d, &z) == 6) {
		map_at(NULL, a, b, x, c, d, z);
	} else if (sscanf(line, "fixed %d %zu %d %zu %d %d %ld", &a, &y, &b, &x, &c, &d, &z) == 7) {
		map_at((void *)(uintptr_t)(maps[a] + y), a + 1, b, x, c, d | MAP_FIXED, z);
	} else if (sscanf(line, "unmap %d %zu %zu", &a, &x, &y) == 3) {
		answer_call(munmap((void *)(uintptr_t)(maps[a] + x), y));
	} else if (sscanf(line, "load %d %zu", &a, &x) == 2) {
		load(a, x);
	} else if (sscanf(line, "store %d %zu %d", &a, &x, &b) == 3) {
		store(a, x, b);
	} else if (sscanf(line, "code %d %zu", &a, &x) == 2) {
		memcpy((void *)(uintptr_t)(maps[a] + x), return_42, sizeof return_42);
		printf("ok\n");
	} else if (sscanf(line, "call %d %zu", &a, &x) == 2) {
		call(a, x);
	} else if (sscanf(line, "protect %d %zu %zu %d", &a, &x, &y, &b) == 4) {
		answer_call(mprotect((void *)(uintptr_t)(maps[a] + x), y, b));
	} else if (sscanf(line, "sync %d %zu %zu %d", &a, &x, &y, &b) == 4) {
		answer_call(msync((void *)(uintptr_t)(maps[a] + x), y, b));
	} else if (sscanf(line, "advise %d %zu %zu %d", &a, &x, &y, &b) == 4) {
		answer_call(madvise((void *)(uintptr_t)(maps[a] + x), y, b));
	} else if (sscanf(line, "lock %d %zu %zu", &a, &x, &y) == 3) {
		answer_call(mlock((void *)(uintptr_t)(maps[a] + x), y));
	} else if (sscanf(line, "unlock %d %zu %zu", &a, &x, &y) == 3) {
		answer_call(munlock((void *)(uintptr_t)(maps[a] + x), y));
	} else if (sscanf(line, "remap %d %zu %zu %d", &a, &x, &y, &b) == 4) {
		void *memory = mremap((void *)(uintptr_t)maps[a], x, y, b);
		if (memory != MAP_FAILED)
			maps[a] = memory;
		answer_call(memory == MAP_FAILED ? -1 : 0);
	} else if (sscanf(line, "forkstore %d %zu %d", &a, &x, &b) == 3) {
		fork_store(a, x, b);
	} else if (sscanf(line, "add %d %zu %d", &a, &x, &b) == 3) {
		add(a, x, b);
	} else {
		fprintf(stderr, "mapper: cannot read the command: %s", line);
		return 2;
	}
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static char line[8192];
	struct sigaction action;

	if (argc == 2 && strcmp(argv[1], "--answer") == 0)
		return 42;
	memset(&action, 0, sizeof action);
	action.sa_handler = on_fault;
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	while (fgets(line, sizeof line, stdin)) {
		int status = obey(line);
		if (status)
			return status;
	}
	return 0;
}
