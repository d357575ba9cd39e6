/*
 * POSIX named semaphores as a program uses them, for processes that know of each other only the name:
 *
 *     semaphore basics NAME             what sem_open and its kin must do and refuse, in one process
 *     semaphore ping NAME ROUNDS        posts NAME-a, waits for NAME-b, ROUNDS times
 *     semaphore pong NAME ROUNDS        waits for NAME-a, posts NAME-b, ROUNDS times
 *     semaphore unpair NAME             removes NAME-a and NAME-b
 *     semaphore exclude NAME COUNT      adds 1 to a plain number in the object NAME COUNT times, holding NAME
 *     semaphore sum NAME TOTAL          removes both; the number must be TOTAL, the semaphore free
 *
 * Exit status 0 and no output is success.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long any wait may last before it counts as a lost wake-up, in seconds. */
enum { PATIENCE = 30 };

#define REQUIRE(condition)                                                                             \
	do {                                                                                           \
		if (!(condition)) {                                                                    \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, strerror(errno));   \
			exit(1);                                                                       \
		}                                                                                      \
	} while (0)

#define REFUSE(call, failure, number) REQUIRE((errno = 0, (call) == (failure) && errno == (number)))

static struct timespec from_now(long milliseconds)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += milliseconds / 1000;
	at.tv_nsec += milliseconds % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static void wait_for(sem_t *semaphore)
{
	struct timespec at = from_now(PATIENCE * 1000);

	REQUIRE(sem_timedwait(semaphore, &at) == 0);
}

static sem_t *open_or_create(const char *name, const char *suffix, unsigned value)
{
	char full[NAME_MAX];
	sem_t *semaphore;

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	semaphore = sem_open(full, O_CREAT, 0600, value);
	REQUIRE(semaphore != SEM_FAILED);
	return semaphore;
}

static void on_alarm(int number)
{
	(void)number;
}

static void names(const char *name)
{
	sem_t *first, *second;

	REFUSE(sem_open(name, 0), SEM_FAILED, ENOENT);
	REFUSE(sem_unlink(name), -1, ENOENT);
	REFUSE(sem_open(name, O_CREAT, 0600, (unsigned)SEM_VALUE_MAX + 1), SEM_FAILED, EINVAL);
	REFUSE(sem_open("/directory/name", O_CREAT, 0600, 1), SEM_FAILED, EINVAL);

	first = sem_open(name, O_CREAT | O_EXCL, 0600, 3);
	REQUIRE(first != SEM_FAILED);
	REFUSE(sem_open(name, O_CREAT | O_EXCL, 0600, 3), SEM_FAILED, EEXIST);
	second = sem_open(name, O_CREAT, 0600, 7);
	REQUIRE(second == first);
	REQUIRE(sem_close(second) == 0 && sem_close(first) == 0);

	/* The value outlives the last close; the name's removal does not touch who has it open. */
	first = sem_open(name, 0);
	REQUIRE(first != SEM_FAILED);
	REQUIRE(sem_trywait(first) == 0);
	REQUIRE(sem_unlink(name) == 0);
	second = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	REQUIRE(second != SEM_FAILED && second != first);
	REQUIRE(sem_trywait(first) == 0 && sem_trywait(first) == 0);
	REFUSE(sem_trywait(first), -1, EAGAIN);
	REQUIRE(sem_trywait(second) == 0);
	REQUIRE(sem_close(first) == 0 && sem_close(second) == 0);
	REQUIRE(sem_unlink(name) == 0);
}

static void values(const char *name)
{
	sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, (unsigned)SEM_VALUE_MAX);
	int value;

	REQUIRE(semaphore != SEM_FAILED);
	REQUIRE(sem_getvalue(semaphore, &value) == 0 && value == SEM_VALUE_MAX);
	REFUSE(sem_post(semaphore), -1, EOVERFLOW);
	REQUIRE(sem_trywait(semaphore) == 0 && sem_post(semaphore) == 0);
	REQUIRE(sem_close(semaphore) == 0 && sem_unlink(name) == 0);
}

static void waits(const char *name)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { .it_value.tv_usec = 30000, .it_interval.tv_usec = 30000 }, never = { 0 };
	struct timespec at, before, after;
	sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	pid_t child;
	int status;

	REQUIRE(semaphore != SEM_FAILED);
	REFUSE(sem_trywait(semaphore), -1, EAGAIN);

	clock_gettime(CLOCK_MONOTONIC, &before);
	at = from_now(50);
	REFUSE(sem_timedwait(semaphore, &at), -1, ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &after);
	REQUIRE((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 40);
	at.tv_nsec = 1000000000;
	REFUSE(sem_timedwait(semaphore, &at), -1, EINVAL);

	/* A signal interrupts a wait. There is more than one: the first may come before the wait has begun. */
	REQUIRE(sigaction(SIGALRM, &action, NULL) == 0);
	REQUIRE(setitimer(ITIMER_REAL, &often, NULL) == 0);
	REFUSE(sem_wait(semaphore), -1, EINTR);
	REQUIRE(setitimer(ITIMER_REAL, &never, NULL) == 0);

	/* A child's post wakes a parent that waits. */
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0) {
		usleep(20000);
		_exit(sem_post(semaphore) != 0);
	}
	wait_for(semaphore);
	REQUIRE(waitpid(child, &status, 0) == child && status == 0);
	REQUIRE(sem_close(semaphore) == 0 && sem_unlink(name) == 0);
}

static void play(const char *name, long rounds, int ping)
{
	sem_t *mine = open_or_create(name, ping ? "-b" : "-a", 0);
	sem_t *other = open_or_create(name, ping ? "-a" : "-b", 0);

	for (long i = 0; i < rounds; i++) {
		if (ping)
			REQUIRE(sem_post(other) == 0);
		wait_for(mine);
		if (!ping)
			REQUIRE(sem_post(other) == 0);
	}
	REFUSE(sem_trywait(mine), -1, EAGAIN);
}

static void remove_pair(const char *name)
{
	char full[NAME_MAX];

	for (int i = 0; i < 2; i++) {
		snprintf(full, sizeof(full), "%s%s", name, i ? "-b" : "-a");
		REQUIRE(sem_unlink(full) == 0);
	}
}

/* The object has a name of its own: musl gives semaphores and objects one directory without a prefix. */
static long *number_of(const char *name)
{
	char full[NAME_MAX];
	int descriptor;
	long *number;

	snprintf(full, sizeof(full), "%s-object", name);
	descriptor = shm_open(full, O_RDWR | O_CREAT, 0600);
	REQUIRE(descriptor >= 0);
	REQUIRE(ftruncate(descriptor, 4096) == 0);
	number = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	REQUIRE(number != MAP_FAILED);
	close(descriptor);
	return number;
}

static void exclude(const char *name, long count)
{
	long *number = number_of(name);
	sem_t *semaphore = open_or_create(name, "", 1);

	for (long i = 0; i < count; i++) {
		wait_for(semaphore);
		*(volatile long *)number += 1;
		REQUIRE(sem_post(semaphore) == 0);
	}
}

static void sum(const char *name, long total)
{
	char full[NAME_MAX];
	sem_t *semaphore = sem_open(name, 0);
	int value;

	REQUIRE(semaphore != SEM_FAILED);
	REQUIRE(*number_of(name) == total);
	REQUIRE(sem_getvalue(semaphore, &value) == 0 && value == 1);
	REQUIRE(sem_unlink(name) == 0);
	snprintf(full, sizeof(full), "%s-object", name);
	REQUIRE(shm_unlink(full) == 0);
}

int main(int argc, char **argv)
{
	const char *command = argc > 2 ? argv[1] : "";
	long count = argc > 3 ? atol(argv[3]) : 0;

	umask(022);
	if (!strcmp(command, "basics")) {
		names(argv[2]);
		values(argv[2]);
		waits(argv[2]);
	} else if (!strcmp(command, "ping") || !strcmp(command, "pong")) {
		play(argv[2], count, command[1] == 'i');
	} else if (!strcmp(command, "unpair")) {
		remove_pair(argv[2]);
	} else if (!strcmp(command, "exclude")) {
		exclude(argv[2], count);
	} else if (!strcmp(command, "sum")) {
		sum(argv[2], count);
	} else {
		fprintf(stderr, "usage: %s basics|ping|pong|unpair|exclude|sum NAME [COUNT]\n", argv[0]);
		return 2;
	}
	return 0;
}
