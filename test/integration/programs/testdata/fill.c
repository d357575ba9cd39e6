/*
 * fill DIRECTORY PROCESSES ROUNDS SEED METHODS
 *
 * Several processes compete for a mount's last byte. In every round each makes a file as large as it can get (by
 * ftruncate, fallocate or write: METHODS holds the letters t, f, w), maps it and writes to every page. With the letter p
 * in METHODS it also punches holes into what it mapped (by fallocate, and by madvise, of which a file system in user
 * space is not told) and writes there again; with s it also makes symbolic links so long that each takes a page. At the end the mount is filled to the last byte and all write to every mapped
 * byte once more.
 *
 * ENOSPC is the one failure allowed; any other ends the program with status 1. SIGBUS is counted. It prints
 *
 *     sigbus COUNT enospc COUNT bytes SUM
 *
 * where SUM is what the files and links hold at the end, each rounded up to whole pages. All is removed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* MOST ends the growth of one file on a file system that charges nothing for a size. PATIENCE is in seconds. */
enum { PAGE = 4096, FILES = 24, LARGEST = 6 << 20, MOST = 256 << 20, PATIENCE = 30 };

struct file {
	int descriptor;
	size_t size;
	char *memory;
};

/* What all processes share: a meeting point and the counts. */
struct shared {
	pthread_barrier_t barrier;
	long sigbus;
	long enospc;
	long bytes;
};

static struct shared *shared;
static struct file files[FILES];
static const char *directory;
static char methods[8];
static int punches;
static int makes_links;
static int links;
static int own;
static sigjmp_buf after_touch;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

static void on_sigbus(int number)
{
	(void)number;
	__atomic_fetch_add(&shared->sigbus, 1, __ATOMIC_RELAXED);
	siglongjmp(after_touch, 1);
}

static void touch(struct file *file)
{
	if (sigsetjmp(after_touch, 1))
		return;
	for (size_t i = 0; i < file->size; i += PAGE)
		((volatile char *)file->memory)[i] += 1;
	if (file->size)
		((volatile char *)file->memory)[file->size - 1] += 1;
}

static void path_of(const char *kind, int number, char *path, size_t size)
{
	snprintf(path, size, "%s/%s-%d-%d", directory, kind, own, number);
}

/* create says whether there is a file: a full disk may have no room for one more name. */
static int create(int number)
{
	char path[4096];
	int descriptor;

	path_of("file", number, path, sizeof(path));
	descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (descriptor >= 0) {
		files[number].descriptor = descriptor;
		return 1;
	}
	if (errno != ENOSPC)
		fail("open");
	__atomic_fetch_add(&shared->enospc, 1, __ATOMIC_RELAXED);
	return 0;
}

static void destroy(int number)
{
	struct file *file = &files[number];
	char path[4096];

	if (!file->descriptor)
		return;
	path_of("file", number, path, sizeof(path));
	if (unlink(path))
		fail("unlink");
	if (file->memory && munmap(file->memory, (file->size + PAGE - 1) / PAGE * PAGE))
		fail("munmap");
	if (close(file->descriptor))
		fail("close");
	memset(file, 0, sizeof(*file));
}

/* write_to extends a file by writing; what a short write wrote is kept. */
static int write_to(struct file *file, size_t size)
{
	static char block[64 * 1024];

	while (file->size < size) {
		size_t length = size - file->size < sizeof(block) ? size - file->size : sizeof(block);
		ssize_t written = pwrite(file->descriptor, block, length, file->size);

		if (written < 0)
			return -1;
		file->size += written;
	}
	return 0;
}

static int grow_to(struct file *file, size_t size, char method)
{
	int failed;

	if (method == 'w')
		return write_to(file, size);
	failed = method == 't' ? ftruncate(file->descriptor, size) : fallocate(file->descriptor, 0, 0, size);
	if (!failed)
		file->size = size;
	return failed;
}

/* grow makes a file larger by as much as there is, at most by the given step. */
static void grow(struct file *file, size_t step, char method)
{
	struct stat status;

	while (step) {
		if (!grow_to(file, file->size + step, method))
			return;
		if (errno != ENOSPC)
			fail("growing");
		__atomic_fetch_add(&shared->enospc, 1, __ATOMIC_RELAXED);
		step /= 2;
	}
	if (fstat(file->descriptor, &status))
		fail("fstat");
	if ((size_t)status.st_size != file->size) {
		fprintf(stderr, "after ENOSPC the size is %ld, want %zu\n", (long)status.st_size, file->size);
		_exit(1);
	}
}

static void map(struct file *file)
{
	if (!file->size)
		return;
	file->memory = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->descriptor, 0);
	if (file->memory == MAP_FAILED)
		fail("mmap");
}

/* punch frees part of a mapped file; the size, and so the right to write there again, remains. */
static void punch(struct file *file)
{
	size_t offset = rand() % (file->size / PAGE + 1) * PAGE;
	size_t length = file->size / PAGE * PAGE - offset;

	if (offset + PAGE > file->size)
		return;
	if (rand() % 2) {
		if (fallocate(file->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length))
			fail("punching");
	} else if (madvise(file->memory + offset, length, MADV_REMOVE)) {
		fail("madvise");
	}
}

/* link_long makes one more link, whose target is too long to be kept beside the inode. */
static void link_long(void)
{
	char target[2000], path[4096];

	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	path_of("link", links, path, sizeof(path));
	if (!symlink(target, path))
		links++;
	else if (errno == ENOSPC)
		__atomic_fetch_add(&shared->enospc, 1, __ATOMIC_RELAXED);
	else
		fail("symlink");
}

static void destroy_links(void)
{
	char path[4096];

	while (links) {
		path_of("link", --links, path, sizeof(path));
		if (unlink(path))
			fail("unlink");
	}
}

static void compete(long rounds)
{
	for (long round = 0; round < rounds; round++) {
		int number = rand() % FILES;
		struct file *file = &files[number];

		if (makes_links)
			link_long();
		if (file->descriptor && file->memory && punches && rand() % 3 == 0) {
			punch(file);
			touch(file);
			continue;
		}
		destroy(number);
		if (!create(number))
			continue;
		grow(file, 1 + rand() % LARGEST, methods[rand() % strlen(methods)]);
		map(file);
		touch(file);
	}
}

static int all_taken(void)
{
	struct statvfs status;

	if (statvfs(directory, &status))
		fail("statvfs");
	return status.f_bfree == 0;
}

/*
 * fill_up takes what is left, by one more file of this process alone. What was closed a moment ago may still be on its way
 * to a daemon, and be free only then: as long as the file system says that something is free, it is tried again.
 */
static void fill_up(void)
{
	time_t end = time(NULL) + PATIENCE;
	size_t before;

	destroy(0);
	if (!create(0))
		return;
	do {
		before = files[0].size;
		grow(&files[0], LARGEST, methods[rand() % strlen(methods)]);
	} while ((before != files[0].size || !all_taken()) && files[0].size < MOST && time(NULL) < end);
	map(&files[0]);
}

static void meet(void)
{
	pthread_barrier_wait(&shared->barrier);
}

static void run(long rounds)
{
	meet();
	compete(rounds);
	meet();
	if (own == 0)
		fill_up();
	meet();
	__atomic_fetch_add(&shared->bytes, (long)links * PAGE, __ATOMIC_RELAXED);
	for (int i = 0; i < FILES; i++) {
		if (files[i].memory) {
			touch(&files[i]);
			/* What a page cache holds for a daemon has to fit into the daemon's memory as well. */
			if (msync(files[i].memory, files[i].size, MS_SYNC))
				fail("msync");
		}
		__atomic_fetch_add(&shared->bytes, (files[i].size + PAGE - 1) / PAGE * PAGE, __ATOMIC_RELAXED);
	}
	meet();
	for (int i = 0; i < FILES; i++)
		destroy(i);
	destroy_links();
}

static int start(int processes, long rounds, unsigned seed)
{
	int failed = 0, status;

	for (own = 0; own < processes; own++) {
		pid_t child = fork();

		if (child < 0)
			fail("fork");
		if (child == 0) {
			srand(seed + own);
			run(rounds);
			_exit(0);
		}
	}
	/* One that fails leaves the others at the barrier: the first failure ends them all. */
	for (int i = 0; i < processes && !failed; i++)
		failed = wait(&status) < 0 || status;
	if (failed) {
		signal(SIGTERM, SIG_IGN);
		kill(0, SIGTERM);
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	pthread_barrierattr_t attributes;

	if (argc != 6 || !strspn(argv[5], "tfw")) {
		fprintf(stderr, "usage: %s DIRECTORY PROCESSES ROUNDS SEED METHODS\n", argv[0]);
		return 2;
	}
	directory = argv[1];
	punches = strchr(argv[5], 'p') != NULL;
	makes_links = strchr(argv[5], 's') != NULL;
	memcpy(methods, argv[5], strspn(argv[5], "tfw") % sizeof(methods));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fail("mmap");
	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &attributes, atoi(argv[2]));
	sigaction(SIGBUS, &action, NULL);
	if (start(atoi(argv[2]), atol(argv[3]), strtoul(argv[4], NULL, 10)))
		return 1;
	printf("sigbus %ld enospc %ld bytes %ld\n", shared->sigbus, shared->enospc, shared->bytes);
	return 0;
}
