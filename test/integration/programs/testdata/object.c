/*
 * Shared-memory objects as a program uses them through shm_open:
 *
 *     object basics NAME            what shm_open, ftruncate, mmap and shm_unlink must do and refuse, in one process
 *     object write NAME BYTES       creates NAME, writes a pattern through a mapping
 *     object read NAME BYTES        maps NAME in an unrelated process, compares the pattern, inverts it
 *     object verify NAME BYTES      compares the inverted pattern by read(2), removes NAME
 *
 * Exit status 0 and no output is success.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUIRE(condition)                                                                             \
	do {                                                                                           \
		if (!(condition)) {                                                                    \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, strerror(errno));   \
			exit(1);                                                                       \
		}                                                                                      \
	} while (0)

#define REFUSE(call, failure, number) REQUIRE((errno = 0, (call) == (failure) && errno == (number)))

static char *map(int descriptor, size_t size, int protection)
{
	return mmap(NULL, size, protection, MAP_SHARED, descriptor, 0);
}

static void basics(const char *name)
{
	struct stat status;
	char *memory, *again, byte;
	int descriptor, other;

	REFUSE(shm_open(name, O_RDWR, 0), -1, ENOENT);
	REFUSE(shm_unlink(name), -1, ENOENT);
	REFUSE(shm_open("/directory/name", O_RDWR | O_CREAT, 0600), -1, EINVAL);

	descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0640);
	REQUIRE(descriptor >= 0);
	REQUIRE(fcntl(descriptor, F_GETFD) == FD_CLOEXEC);
	REFUSE(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0640), -1, EEXIST);
	REQUIRE(fstat(descriptor, &status) == 0);
	REQUIRE(S_ISREG(status.st_mode) && (status.st_mode & 07777) == 0640 && status.st_size == 0);
	REQUIRE(status.st_nlink == 1 && status.st_uid == geteuid());

	/* Zeros, shared at once between two mappings, a read-only one among them. */
	REQUIRE(ftruncate(descriptor, 3 * 4096 + 100) == 0);
	memory = map(descriptor, 4 * 4096, PROT_READ | PROT_WRITE);
	REQUIRE(memory != MAP_FAILED && memory[0] == 0 && memory[3 * 4096 + 99] == 0);
	other = shm_open(name, O_RDONLY, 0);
	REQUIRE(other >= 0);
	REFUSE(map(other, 4096, PROT_READ | PROT_WRITE), MAP_FAILED, EACCES);
	again = map(other, 4 * 4096, PROT_READ);
	REQUIRE(again != MAP_FAILED);
	memcpy(memory + 2 * 4096 - 3, "across", 6);
	REQUIRE(!memcmp(again + 2 * 4096 - 3, "across", 6));
	REQUIRE(pread(other, &byte, 1, 2 * 4096) == 1 && byte == 'o');
	REFUSE(write(other, "x", 1), -1, EBADF);
	REFUSE(ftruncate(other, 0), -1, EINVAL);

	/* Growth is seen by a mapping that reached beyond the end; O_TRUNC empties. */
	REQUIRE(ftruncate(descriptor, 4 * 4096) == 0);
	REQUIRE(again[4 * 4096 - 1] == 0);
	memory[4 * 4096 - 1] = 'z';
	REQUIRE(again[4 * 4096 - 1] == 'z');
	REQUIRE(close(shm_open(name, O_RDWR | O_TRUNC, 0)) == 0);
	REQUIRE(fstat(descriptor, &status) == 0 && status.st_size == 0 && status.st_blocks == 0);
	REQUIRE(ftruncate(descriptor, 4096) == 0 && memory[0] == 0);

	/* Removed, the memory stays with those who mapped it; the name is free for another object. */
	memory[0] = 'm';
	REQUIRE(shm_unlink(name) == 0);
	REQUIRE(fstat(descriptor, &status) == 0 && status.st_nlink == 0 && again[0] == 'm');
	close(descriptor);
	close(other);
	REQUIRE(again[0] == 'm');
	descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	REQUIRE(descriptor >= 0 && ftruncate(descriptor, 4096) == 0);
	REQUIRE(pread(descriptor, &byte, 1, 0) == 1 && byte == 0);
	REQUIRE(again[0] == 'm');
	REQUIRE(munmap(memory, 4 * 4096) == 0 && munmap(again, 4 * 4096) == 0);
	close(descriptor);
	REQUIRE(shm_unlink(name) == 0);
}

/* pattern is the word that belongs at a position: no two places of an object look alike. */
static uint64_t pattern(size_t position)
{
	return (position + 1) * 0x9e3779b97f4a7c15u;
}

static void write_object(const char *name, size_t size)
{
	int descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	uint64_t *words;

	REQUIRE(descriptor >= 0 && ftruncate(descriptor, size) == 0);
	words = (uint64_t *)map(descriptor, size, PROT_READ | PROT_WRITE);
	REQUIRE((void *)words != MAP_FAILED);
	for (size_t i = 0; i < size / 8; i++)
		words[i] = pattern(i);
}

static void read_object(const char *name, size_t size)
{
	int descriptor = shm_open(name, O_RDWR, 0);
	struct stat status;
	uint64_t *words;

	REQUIRE(descriptor >= 0 && fstat(descriptor, &status) == 0 && (size_t)status.st_size == size);
	words = (uint64_t *)map(descriptor, size, PROT_READ | PROT_WRITE);
	REQUIRE((void *)words != MAP_FAILED);
	for (size_t i = 0; i < size / 8; i++) {
		REQUIRE(words[i] == pattern(i));
		words[i] = ~words[i];
	}
}

static void verify_object(const char *name, size_t size)
{
	int descriptor = shm_open(name, O_RDONLY, 0);
	uint64_t words[512];

	REQUIRE(descriptor >= 0);
	for (size_t i = 0; i < size / 8; i++) {
		if (i % 512 == 0)
			REQUIRE(read(descriptor, words, sizeof(words)) == sizeof(words));
		REQUIRE(words[i % 512] == ~pattern(i));
	}
	REQUIRE(read(descriptor, words, sizeof(words)) == 0);
	REQUIRE(shm_unlink(name) == 0);
}

int main(int argc, char **argv)
{
	const char *command = argc > 2 ? argv[1] : "";
	size_t size = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	umask(022);
	if (!strcmp(command, "basics")) {
		basics(argv[2]);
	} else if (!strcmp(command, "write")) {
		write_object(argv[2], size);
	} else if (!strcmp(command, "read")) {
		read_object(argv[2], size);
	} else if (!strcmp(command, "verify")) {
		verify_object(argv[2], size);
	} else {
		fprintf(stderr, "usage: %s basics|write|read|verify NAME [BYTES]\n", argv[0]);
		return 2;
	}
	return 0;
}
