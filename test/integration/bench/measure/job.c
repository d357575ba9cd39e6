#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void fail(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	va_start(arguments, format);
	fputs("measure: ", stderr);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

double now(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_MONOTONIC, &time) != 0)
		fail("reading the clock");
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

void pin(int cpu)
{
	cpu_set_t set;

	if (cpu == any_cpu)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		fail("pinning to CPU %d", cpu);
}

/* Cheap enough to vanish beside a cache miss, and the next state does not wait for the memory that the last addressed. */
uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

int open_file(const char *path, int flags)
{
	int file = open(path, flags | O_CLOEXEC, 0600);

	if (file < 0)
		fail("opening %s", path);
	return file;
}

char *map_file(int file, size_t bytes, int protection)
{
	char *map = mmap(NULL, bytes, protection, MAP_SHARED, file, 0);

	if (map == MAP_FAILED)
		fail("mapping %zu bytes", bytes);
	return map;
}

void unmap_and_close(char *map, size_t bytes, int file)
{
	if (munmap(map, bytes) != 0)
		fail("unmapping %zu bytes", bytes);
	if (close(file) != 0)
		fail("closing a mapped file");
}

void create_file(struct job *job)
{
	snprintf(job->path, sizeof job->path, "%s/object-%d-%ld", job->directory, (int)getpid(), job->passes);
	job->file = open_file(job->path, O_RDWR | O_CREAT | O_EXCL);
	if (ftruncate(job->file, (off_t)job->bytes) != 0)
		fail("setting the size of %s to %zu", job->path, job->bytes);
}

void remove_file(struct job *job)
{
	if (unlink(job->path) != 0)
		fail("removing %s", job->path);
}

void nothing(struct job *job)
{
	(void)job;
}
