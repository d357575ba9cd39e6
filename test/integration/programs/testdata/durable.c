/*
 * durable PATH METHOD SEED
 *
 * Makes a file of 1 MiB and a page less 100 bytes, fills it with bytes that the seed decides, and makes it durable by one
 * METHOD: msync, fsync, fdatasync, osync (O_SYNC writes), or none. Exit status 0 says that the call succeeded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = (1 << 20) + 4096 - 100 };

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* The test computes the same bytes. */
static void fill(unsigned char *memory, uint32_t seed)
{
	for (int i = 0; i < SIZE; i++) {
		seed = seed * 1664525u + 1013904223u;
		memory[i] = seed >> 24;
	}
}

static void write_all(int descriptor, uint32_t seed)
{
	unsigned char *buffer = malloc(SIZE);

	if (!buffer)
		fail("malloc");
	fill(buffer, seed);
	for (size_t done = 0; done < SIZE;) {
		ssize_t written = write(descriptor, buffer + done, SIZE - done);

		if (written < 0)
			fail("write");
		done += written;
	}
	free(buffer);
}

int main(int argc, char **argv)
{
	const char *method = argc == 4 ? argv[2] : "";
	uint32_t seed = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	int descriptor = open(argv[1], O_RDWR | O_CREAT | O_EXCL | (strcmp(method, "osync") ? 0 : O_SYNC), 0600);
	int failed = 0;
	void *memory;

	if (descriptor < 0)
		fail("open");
	if (!strcmp(method, "osync")) {
		write_all(descriptor, seed);
		return 0;
	}
	if (ftruncate(descriptor, SIZE))
		fail("ftruncate");
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	fill(memory, seed);
	if (!strcmp(method, "msync"))
		failed = msync(memory, SIZE, MS_SYNC);
	else if (!strcmp(method, "fsync"))
		failed = fsync(descriptor);
	else if (!strcmp(method, "fdatasync"))
		failed = fdatasync(descriptor);
	else if (strcmp(method, "none")) {
		errno = EINVAL;
		failed = 1;
	}
	if (failed)
		fail(method);
	return 0;
}
