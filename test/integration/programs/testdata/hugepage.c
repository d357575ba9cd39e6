/*
 * hugepage PATH BYTES [advise]
 *
 * Maps a file, asks for huge pages if told to, touches every page, and prints how many kB of the mapping the kernel says
 * are mapped by huge page-table entries.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* huge_kilobytes sums the huge mappings that smaps tells of in an address range. */
static unsigned long huge_kilobytes(unsigned long first, unsigned long end)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long from, to, kilobytes, sum = 0;
	char line[4096], rest[4096];
	int inside = 0;

	if (!smaps)
		fail("/proc/self/smaps");
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx %4095s", &from, &to, rest) == 3)
			inside = from >= first && to <= end;
		else if (inside && (sscanf(line, "ShmemPmdMapped: %lu kB", &kilobytes) == 1 ||
				    sscanf(line, "FilePmdMapped: %lu kB", &kilobytes) == 1))
			sum += kilobytes;
	}
	fclose(smaps);
	return sum;
}

int main(int argc, char **argv)
{
	unsigned long size;
	int descriptor;
	char *memory;

	if (argc < 3) {
		fprintf(stderr, "usage: %s PATH BYTES [advise]\n", argv[0]);
		return 2;
	}
	size = strtoul(argv[2], NULL, 10);
	descriptor = open(argv[1], O_RDWR | O_CREAT, 0600);
	if (descriptor < 0 || ftruncate(descriptor, size))
		fail(argv[1]);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	if (argc > 3 && madvise(memory, size, MADV_HUGEPAGE))
		fail("madvise");
	for (unsigned long i = 0; i < size; i += 4096)
		((volatile char *)memory)[i] = 1;
	printf("%lu\n", huge_kilobytes((unsigned long)memory, (unsigned long)memory + size));
	return 0;
}
