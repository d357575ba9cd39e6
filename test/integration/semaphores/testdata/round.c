/*
 * One of many processes that hand units of one semaphore round: each takes a unit and posts it again, as often as its own share
 * says and then as long as the common pool lasts. All stop by themselves; a wake-up that was lost ends in a time-out.
 *
 *     round WAY NAME PATH OBJECT SHARE
 *
 * WAY is how it takes and posts: sem_wait, sem_timedwait (NAME is the semaphore for these), wait, timedwait, acquire (by text
 * at PATH), level, edge (epoll, then trywait). OBJECT holds the counters. It prints how many units it took and how long, in
 * microseconds, the longest wait lasted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* How long any wait may last before it counts as a lost wake-up, in seconds. */
enum { PATIENCE = 30 };

struct counters {
	_Atomic long pool;   /* units that are nobody's share */
	_Atomic long taken;  /* in all */
	_Atomic long inside; /* units that are taken now */
	long units;          /* that there are */
};

static const char *way;
static sem_t *semaphore;
static int file, events;
static struct counters *counters;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", way, what, strerror(errno));
	exit(1);
}

static int is(const char *name)
{
	return !strcmp(way, name);
}

/* told writes a command and returns 0, or -1 with errno. */
static int told(const char *command)
{
	ssize_t length = strlen(command);

	return write(file, command, length) == length ? 0 : -1;
}

static long now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static int timed_wait(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += PATIENCE;
	return sem_timedwait(semaphore, &at);
}

/* An edge comes once for a unit that another may have taken; who took one from many looks again for the rest. */
static int poll_and_take(void)
{
	struct epoll_event event;
	int ready;

	for (;;) {
		if (told("trywait\n") == 0)
			return 0;
		if (errno != EAGAIN)
			return -1;
		ready = epoll_wait(events, &event, 1, PATIENCE * 1000);
		if (ready == 0)
			errno = ETIMEDOUT;
		if (ready <= 0)
			return -1;
		if (event.events != EPOLLIN) {
			errno = EIO;
			return -1;
		}
	}
}

static void take(void)
{
	int failed;

	if (is("sem_wait"))
		failed = sem_wait(semaphore);
	else if (is("sem_timedwait"))
		failed = timed_wait();
	else if (is("wait"))
		failed = told("wait\n");
	else if (is("timedwait"))
		failed = told("timedwait 30\n");
	else if (is("acquire"))
		failed = told("acquire\n");
	else
		failed = poll_and_take();
	if (failed)
		fail("taking");
}

static void post(void)
{
	int failed;

	if (!strncmp(way, "sem_", 4))
		failed = sem_post(semaphore);
	else if (is("acquire"))
		failed = told("release\n");
	else
		failed = told("post\n");
	if (failed)
		fail("posting");
}

static void prepare(char **argument)
{
	struct epoll_event event = { .events = EPOLLIN | (is("edge") ? EPOLLET : 0) };
	int object = open(argument[4], O_RDWR);

	if (object < 0)
		fail(argument[4]);
	counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
	if (counters == MAP_FAILED)
		fail("mapping the counters");
	if (!strncmp(way, "sem_", 4)) {
		semaphore = sem_open(argument[2], 0);
		if (semaphore == SEM_FAILED)
			fail(argument[2]);
		return;
	}
	file = open(argument[3], O_RDWR);
	if (file < 0)
		fail(argument[3]);
	if (is("level") || is("edge")) {
		events = epoll_create1(0);
		if (events < 0 || epoll_ctl(events, EPOLL_CTL_ADD, file, &event))
			fail("epoll");
	}
}

int main(int count, char **argument)
{
	long share, mine = 0, longest = 0, start, took;

	if (count != 6)
		return 2;
	way = argument[1];
	share = atol(argument[5]);
	prepare(argument);
	while (mine < share || atomic_fetch_sub(&counters->pool, 1) > 0) {
		start = now();
		take();
		took = now() - start;
		if (took > longest)
			longest = took;
		if (atomic_fetch_add(&counters->inside, 1) >= counters->units) {
			errno = 0;
			fail("more units are taken than there are");
		}
		atomic_fetch_add(&counters->taken, 1);
		mine++;
		/* Others come while it has the unit, and find none: otherwise who is quickest would do it all without a wait. */
		sched_yield();
		atomic_fetch_sub(&counters->inside, 1);
		post();
		sched_yield();
	}
	printf("%ld %ld\n", mine, longest);
	return 0;
}
