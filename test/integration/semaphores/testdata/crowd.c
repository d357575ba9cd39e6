/*
 * Many threads that wait for one semaphore by text, each through an open file of its own:
 *
 *     crowd PATH THREADS
 *
 * On standard input `interrupt N` interrupts the first N of those not yet interrupted, and an answer comes when all N have
 * returned; `end` waits for all threads. Each answer is one line, `N ERRNO` for each errno that waits returned since the last.
 * It says `started` when all threads are there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STACK = 32768, ERRNOS = 256 };

static const char *path;
static long count;
static int *files;
static pthread_t *threads;
static _Atomic long returned[ERRNOS]; /* index 0: the wait succeeded */

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void *wait_for_unit(void *argument)
{
	int file = *(int *)argument;
	int number = write(file, "wait\n", 5) == 5 ? 0 : errno;

	close(file);
	atomic_fetch_add(&returned[number], 1);
	return NULL;
}

static void on_signal(int number)
{
	(void)number;
}

static void report(void)
{
	for (int i = 0; i < ERRNOS; i++) {
		long some = atomic_exchange(&returned[i], 0);

		if (some)
			printf("%ld %d ", some, i);
	}
	putchar('\n');
	fflush(stdout);
}

static void start(void)
{
	struct rlimit limit = { count + 100, count + 100 };
	pthread_attr_t attributes;

	if (setrlimit(RLIMIT_NOFILE, &limit))
		fail("setrlimit");
	files = calloc(count, sizeof(*files));
	threads = calloc(count, sizeof(*threads));
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	for (long i = 0; i < count; i++) {
		files[i] = open(path, O_RDWR | O_CLOEXEC);
		if (files[i] < 0)
			fail(path);
		errno = pthread_create(&threads[i], &attributes, wait_for_unit, &files[i]);
		if (errno)
			fail("pthread_create");
	}
	puts("started");
	fflush(stdout);
}

int main(int arguments, char **argument)
{
	struct sigaction action = { .sa_handler = on_signal };
	long interrupted = 0, some;
	char line[64];

	if (arguments != 3)
		return 2;
	path = argument[1];
	count = atol(argument[2]);
	sigaction(SIGUSR1, &action, NULL);
	start();
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "interrupt %ld", &some) == 1) {
			for (long i = 0; i < some; i++)
				pthread_kill(threads[interrupted + i], SIGUSR1);
			for (; some > 0; some--)
				pthread_join(threads[interrupted++], NULL);
		} else {
			for (; interrupted < count; interrupted++)
				pthread_join(threads[interrupted], NULL);
		}
		report();
	}
	return 0;
}
