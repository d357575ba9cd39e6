// The processes of the tests of cost.
//
//   calls hold PROCESSES MAPPINGS OUT FILE...   so many processes with so many mappings of the files, which copy their own
//                                               /proc/self/maps to OUT/NUMBER, unless OUT is -
//   calls create COUNT DIRECTORY                creates and unlinks files; prints nanoseconds
//   calls probe SECONDS DIRECTORY OBJECTS       stats, opens, creates; prints the longest call in nanoseconds, the one that of
//                                               a thousand one is longer than, and how many there were
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *doing)
{
	fprintf(stderr, "%s: %s\n", doing, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void copy_maps(const char *out, int number)
{
	char path[4096], block[65536];
	snprintf(path, sizeof path, "%s/%d", out, number);
	int from = open("/proc/self/maps", O_RDONLY), to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (from < 0 || to < 0)
		fail("opening maps");
	for (ssize_t n; (n = read(from, block, sizeof block)) != 0;)
		if (n < 0 || write(to, block, n) != n)
			fail("copying maps");
	close(from);
	close(to);
}

static int hold(int processes, int mappings, const char *out, char **files, int count)
{
	int ready[2];
	char byte = 0;
	if (pipe(ready))
		fail("pipe");
	for (int i = 0; i < processes; i++) {
		pid_t child = fork();
		if (child < 0)
			fail("fork");
		if (child)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int m = i; m < mappings; m += processes) {
			int file = open(files[m % count], O_RDWR);
			struct stat stat;
			if (file < 0 || fstat(file, &stat))
				fail("opening an object");
			int shared = m % 3 != 0;
			char *memory = mmap(NULL, stat.st_size, PROT_READ | (m % 2 ? PROT_WRITE : 0), shared ? MAP_SHARED : MAP_PRIVATE, file, 0);
			if (memory == MAP_FAILED)
				fail("mmap");
			for (long at = 0; at < stat.st_size / 2; at += 4096)
				(void)*(volatile char *)(memory + at);
			close(file);
		}
		if (strcmp(out, "-"))
			copy_maps(out, i);
		if (write(ready[1], &byte, 1) != 1)
			fail("write");
		for (;;)
			pause();
	}
	for (int i = 0; i < processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			fail("read");
	puts("ready");
	fflush(stdout);
	(void)!read(0, &byte, 1);
	return 0;
}

static int create(int count, const char *directory)
{
	char path[4096];
	long long began = now();
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/n%d", directory, i % 100);
		if (mknod(path, S_IFREG | 0600, 0))
			fail("mknod");
		if (unlink(path))
			fail("unlink");
	}
	printf("%lld\n", now() - began);
	return 0;
}

enum { MOST = 1 << 22 };
static long long took[MOST];
static int calls;

static void timed(long long began)
{
	if (calls < MOST)
		took[calls++] = now() - began;
}

static int longer(const void *a, const void *b)
{
	long long first = *(const long long *)a, second = *(const long long *)b;
	return (first > second) - (first < second);
}

static int probe(double seconds, const char *directory, int objects)
{
	char path[4096];
	struct stat stat_;
	long long end = now() + (long long)(seconds * 1e9);
	for (unsigned i = 0; now() < end; i++) {
		snprintf(path, sizeof path, "%s/d%u/o%u", directory, (i * 7919u) % objects % 100, (i * 7919u) % objects);
		long long began = now();
		if (stat(path, &stat_))
			fail("stat");
		timed(began);
		began = now();
		int file = open(path, O_RDONLY);
		if (file < 0)
			fail("open");
		timed(began);
		close(file);
		snprintf(path, sizeof path, "%s/probe", directory);
		began = now();
		file = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
		if (file < 0)
			fail("create");
		timed(began);
		close(file);
		if (unlink(path))
			fail("unlink");
		usleep(200);
	}
	qsort(took, calls, sizeof *took, longer);
	printf("%lld %lld %d\n", took[calls - 1], took[calls - 1 - calls / 1000], calls);
	return 0;
}

int main(int count, char **arguments)
{
	if (count > 5 && !strcmp(arguments[1], "hold"))
		return hold(atoi(arguments[2]), atoi(arguments[3]), arguments[4], arguments + 5, count - 5);
	if (count == 4 && !strcmp(arguments[1], "create"))
		return create(atoi(arguments[2]), arguments[3]);
	if (count == 5 && !strcmp(arguments[1], "probe"))
		return probe(atof(arguments[2]), arguments[3], atoi(arguments[4]));
	fprintf(stderr, "usage: see the source\n");
	return 2;
}
