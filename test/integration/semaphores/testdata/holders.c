/*
 * Processes that acquire units and are killed at random moments; what they held must be back at once, and once.
 *
 *     holders PATH UNITS HOLDERS SEED
 *
 * HOLDERS processes in all are killed, one to four at a time, on a semaphore of UNITS units. After each such round all units
 * are acquired: the time from the last death until then is printed, in microseconds, a line a round.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4 };

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int told(int file, const char *format, int number)
{
	char command[64];
	int length = snprintf(command, sizeof(command), format, number);

	return write(file, command, length) == length ? 0 : -1;
}

/* hold never ends by itself. */
static void hold(const char *path, int units, unsigned seed)
{
	int file, held = 0, more;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	file = open(path, O_RDWR);
	if (file < 0)
		fail(path);
	for (;;) {
		/* Asking for more while it holds some may wait for ever: then it is killed in the wait. */
		more = 1 + rand_r(&seed) % units;
		if (told(file, "acquire %d\n", more))
			fail("acquire");
		held += more;
		if (rand_r(&seed) % 4 == 0)
			continue;
		if (rand_r(&seed) % 8 == 0) {
			close(file);
			file = open(path, O_RDWR);
			if (file < 0)
				fail(path);
			held = 0;
		} else {
			if (told(file, "release %d\n", held))
				fail("release");
			held = 0;
		}
	}
}

static long now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static void kill_some(const char *path, int units, int count, unsigned *seed)
{
	pid_t children[MOST];
	int status;

	for (int i = 0; i < count; i++) {
		children[i] = fork();
		if (children[i] < 0)
			fail("fork");
		if (children[i] == 0)
			hold(path, units, *seed + i);
	}
	for (int i = 0; i < count; i++) {
		usleep(rand_r(seed) % 4000);
		kill(children[i], SIGKILL);
	}
	for (int i = 0; i < count; i++) {
		if (waitpid(children[i], &status, 0) != children[i])
			fail("waitpid");
		if (!WIFSIGNALED(status)) {
			fprintf(stderr, "a holder ended by itself\n");
			exit(1);
		}
	}
}

int main(int count, char **argument)
{
	int file, units, left, some;
	unsigned seed;
	long died;

	if (count != 5)
		return 2;
	units = atoi(argument[2]);
	seed = atoi(argument[4]);
	file = open(argument[1], O_RDWR);
	if (file < 0)
		fail(argument[1]);
	for (left = atoi(argument[3]); left > 0; left -= some) {
		some = 1 + rand_r(&seed) % MOST;
		if (some > left)
			some = left;
		kill_some(argument[1], units, some, &seed);
		died = now();
		if (told(file, "timedacquire 20 %d\n", units))
			fail("a unit did not come back");
		printf("%ld\n", now() - died);
		if (told(file, "trywait\n", 0) == 0) {
			fprintf(stderr, "a unit came back twice\n");
			return 1;
		}
		if (errno != EAGAIN)
			fail("trywait");
		if (told(file, "release %d\n", units))
			fail("release");
	}
	return 0;
}
