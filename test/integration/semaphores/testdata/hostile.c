/*
 * A process that writes into a semaphore's memory what it likes, and those who have to live with it, for so many seconds:
 *
 *     hostile scribble PATH SECONDS          writes random bytes and wakes who sleeps
 *     hostile operate PATH SECONDS           makes every call on the file; prints how many, and the longest in microseconds
 *     hostile pair PATH SECONDS              two that wake each other by PATH-a and PATH-b, one way by text, the other by
 *                                            libc; prints how often, and the longest turn in microseconds
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, SIZE = 32, FUTEX_WAKE = 1 /* which musl has no header for */ };

static long end;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static long now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static sem_t *map(const char *path)
{
	int file = open(path, O_RDWR);
	void *memory;

	if (file < 0)
		fail(path);
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	close(file);
	return memory;
}

static void scribble(const char *path)
{
	sem_t *semaphore = map(path);
	volatile unsigned char *bytes = (volatile unsigned char *)semaphore;
	uint64_t state = 88172645463325252ull;

	while (now() < end) {
		for (int i = 0; i < 1000; i++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			bytes[state % SIZE] = state >> 32;
			/* Now and then it is a semaphore, of either libc, with some value and some waiters. */
			if ((state & 0x3f0000) == 0) {
				memset((void *)bytes, 0, SIZE);
				bytes[0] = state >> 40 & 3;
				bytes[4] = state >> 48 & 3;
				bytes[8] = state & 256 ? 0x80 : 0;
			}
			/* glibc's sem_post would abort the process for some of what it finds there. */
			if ((state & 0xf00000) == 0)
				syscall(SYS_futex, semaphore, FUTEX_WAKE, 1, NULL, NULL, 0);
		}
	}
}

static void on_alarm(int number)
{
	(void)number;
}

/* Whatever a call returns is right, if only it returns. */
static void call(const char *path, int file, int number)
{
	static const char *const commands[] = { "post\n", "trywait\n", "timedwait 0.01\n", "set 1\n", "acquire\n", "release\n",
						"timedacquire 0.01 2\n", "post 3\ntrywait\nset 0\n", "wait\n", "acquire 4\n" };
	struct pollfd polled = { .fd = file, .events = POLLIN };
	struct stat status;
	char text[PAGE];
	int other;

	if (number < (int)(sizeof(commands) / sizeof(commands[0]))) {
		number = write(file, commands[number], strlen(commands[number]));
	} else if (number == 10) {
		number = pread(file, text, sizeof(text), 0);
	} else if (number == 11) {
		number = poll(&polled, 1, 5);
	} else if (number == 12) {
		number = stat(path, &status);
	} else {
		other = open(path, O_RDWR);
		number = write(other, "acquire\n", 8);
		close(other);
	}
}

static void operate(const char *path)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 20000 }, { 0, 20000 } };
	int file = open(path, O_RDWR);
	long calls = 0, longest = 0, start, took;
	unsigned seed = getpid();

	if (file < 0)
		fail(path);
	/* Who waits is interrupted after some milliseconds. */
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while ((start = now()) < end) {
		call(path, file, rand_r(&seed) % 14);
		took = now() - start;
		if (took > longest)
			longest = took;
		calls++;
	}
	printf("%ld %ld\n", calls, longest);
}

/* The child answers until it is killed. */
static void answer(int asked, sem_t *answered)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (write(asked, "wait\n", 5) != 5)
			fail("waiting by text");
		if (sem_post(answered) != 0)
			fail("posting by libc");
	}
}

static void play(const char *path)
{
	char name[PAGE];
	long turns = 0, longest = 0, start, took;
	sem_t *answered;
	pid_t child;
	int asked;

	snprintf(name, sizeof(name), "%s-b", path);
	answered = map(name);
	snprintf(name, sizeof(name), "%s-a", path);
	asked = open(name, O_RDWR);
	if (asked < 0)
		fail(name);
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0)
		answer(asked = open(name, O_RDWR), answered);
	while ((start = now()) < end) {
		if (write(asked, "post\n", 5) != 5)
			fail("posting by text");
		if (sem_wait(answered) != 0)
			fail("waiting by libc");
		took = now() - start;
		if (took > longest)
			longest = took;
		turns++;
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("%ld %ld\n", turns, longest);
}

int main(int count, char **argument)
{
	if (count != 4)
		return 2;
	end = now() + atol(argument[3]) * 1000000;
	if (!strcmp(argument[1], "scribble"))
		scribble(argument[2]);
	else if (!strcmp(argument[1], "operate"))
		operate(argument[2]);
	else if (!strcmp(argument[1], "pair"))
		play(argument[2]);
	else
		return 2;
	return 0;
}
