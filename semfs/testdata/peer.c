// A process that uses the sem_t at the beginning of a file with its libc's functions.
//
//	peer FILE COMMAND [NUMBER]
//
// It says what it found, or the errno, in one line.

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static sem_t *semaphore;

static void report(const char *call)
{
	printf("%s %d\n", call, errno);
	exit(1);
}

static struct timespec after(long milliseconds)
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

static void take(long count)
{
	for (long i = 0; i < count; i++)
		while (sem_wait(semaphore) != 0)
			if (errno != EINTR)
				report("sem_wait");
}

// Waits so briefly that many waits run out while a unit comes.
static void take_in_time(long count)
{
	for (long i = 0; i < count;) {
		struct timespec at = after(1);
		if (sem_timedwait(semaphore, &at) == 0)
			i++;
		else if (errno != ETIMEDOUT && errno != EINTR)
			report("sem_timedwait");
	}
}

static void circulate(long count)
{
	for (long i = 0; i < count; i++) {
		take(1);
		if (sem_post(semaphore) != 0)
			report("sem_post");
	}
}

// Never ends by itself.
static void scribble(void)
{
	volatile unsigned char *bytes = (volatile unsigned char *)semaphore;
	uint64_t state = 88172645463325252ull;
	for (;;) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		int at = state % 32;
		bytes[at] = at == 8 ? (state & 256 ? 0x80 : 0) : at > 8 && at < 12 && state & 0xf000 ? 0 : state >> 32;
		if ((state & 0xff0000) == 0) { // a semaphore, now and then, with a few waiters
			memset((void *)bytes, 0, 32);
			bytes[4] = 3;
			bytes[8] = state & 256 ? 0x80 : 0;
		}
		if ((state & 0xf00000) == 0)
			sem_post(semaphore);
	}
}

int main(int count, char **arguments)
{
	if (count < 3)
		return 2;
	const char *command = arguments[2];
	long number = count > 3 ? atol(arguments[3]) : 1;
	int file = open(arguments[1], O_RDWR);
	if (file < 0)
		report("open");
	semaphore = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (semaphore == MAP_FAILED)
		report("mmap");
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct timespec at = after(number);
	int value = 0, failed = 0;
	if (!strcmp(command, "init"))
		failed = sem_init(semaphore, 1, number);
	else if (!strcmp(command, "post"))
		for (long i = 0; i < number && !failed; i++)
			failed = sem_post(semaphore);
	else if (!strcmp(command, "wait"))
		take(number);
	else if (!strcmp(command, "briefly"))
		take_in_time(number);
	else if (!strcmp(command, "circulate"))
		circulate(number);
	else if (!strcmp(command, "trywait"))
		failed = sem_trywait(semaphore);
	else if (!strcmp(command, "timedwait"))
		failed = sem_timedwait(semaphore, &at);
	else if (!strcmp(command, "getvalue"))
		failed = sem_getvalue(semaphore, &value);
	else if (!strcmp(command, "scribble"))
		scribble();
	else
		return 2;
	if (failed)
		report(command);
	printf("done %d\n", value);
	return 0;
}
