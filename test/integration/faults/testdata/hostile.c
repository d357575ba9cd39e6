/*
 * A process that means no good, for so many seconds:
 *
 *     hostile ROLE PLACE SECONDS NUMBER
 *
 * PLACE is a mount. Prints how often it did what it does. Whatever a call returns is right, if only it returns.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, SEMAPHORE = 32, LARGE = 8 << 20, LOOPS = 1000 };

static const char *place;
static int number;
static long end, done;
static unsigned seed;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static long now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static void rest(long microseconds)
{
	struct timespec length = { microseconds / 1000000, microseconds % 1000000 * 1000 };

	nanosleep(&length, NULL);
}

/* A path in the mount; the last few stay valid. */
static const char *in(const char *format, int a, int b)
{
	static char paths[8][PAGE];
	static int next;
	char *path = paths[next++ % 8];
	int length = snprintf(path, PAGE, "%s/", place);

	snprintf(path + length, PAGE - length, format, a, b);
	return path;
}

/* Writes random bytes into a semaphore that all hostile processes use. */
static void scribble(void)
{
	int file = open(in("sem.hostile", 0, 0), O_RDWR);
	volatile unsigned char *memory;

	if (file < 0)
		fail("opening the semaphore");
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED)
		fail("mapping the semaphore");
	while (now() < end) {
		for (int i = 0; i < 1000; i++)
			memory[rand_r(&seed) % SEMAPHORE] = rand_r(&seed);
		/* Now and then it is one. */
		if (rand_r(&seed) % 4 == 0) {
			memset((void *)memory, 0, SEMAPHORE);
			memory[0] = rand_r(&seed) % 4;
			memory[8] = 0x80;
		}
		done++;
	}
}

/* Gives commands to the semaphore that another one scribbles over. */
static void operate(void)
{
	static const char *const commands[] = { "post\n", "trywait\n", "timedwait 0.005\n", "set 1\n", "timedacquire 0.005 2\n", "release\n",
						"post 2147483647\n", "set 0\ntimedwait 0.001\n", "nonsense\n", "post -1\n" };
	struct pollfd polled = { .events = POLLIN };
	char text[PAGE];
	long ignored;

	while (now() < end) {
		const char *command = commands[rand_r(&seed) % (sizeof(commands) / sizeof(commands[0]))];
		int file = open(in("sem.hostile", 0, 0), O_RDWR);

		if (file < 0)
			fail("opening the semaphore");
		for (int i = 0; i < 8; i++)
			ignored = write(file, command, strlen(command));
		ignored = read(file, text, sizeof(text));
		polled.fd = file;
		ignored = poll(&polled, 1, 1);
		close(file);
		done++;
	}
	(void)ignored;
}

static sigjmp_buf back;

static void leap(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

/* Changes the size of a file that others read and map. */
static void shrink(void)
{
	int file = open(in("shrinking", 0, 0), O_RDWR);

	if (file < 0)
		fail("opening the file");
	while (now() < end) {
		if (ftruncate(file, rand_r(&seed) % LARGE) != 0)
			fail("ftruncate");
		done++;
	}
}

static void touch(int file)
{
	char *memory = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	char block[PAGE];
	long ignored;

	if (memory == MAP_FAILED)
		fail("mmap");
	/* Beyond the end it is SIGBUS, by right. */
	if (sigsetjmp(back, 1) == 0)
		for (int i = 0; i < 100; i++)
			memory[rand_r(&seed) % LARGE]++;
	munmap(memory, LARGE);
	for (int i = 0; i < 20; i++) {
		ignored = pread(file, block, sizeof(block), rand_r(&seed) % LARGE);
		ignored = pwrite(file, block, sizeof(block), rand_r(&seed) % LARGE);
	}
	(void)ignored;
}

static void look(void)
{
	struct sigaction action = { .sa_handler = leap };
	int file = open(in("shrinking", 0, 0), O_RDWR);

	if (file < 0)
		fail("opening the file");
	sigaction(SIGBUS, &action, NULL);
	for (; now() < end; done++)
		touch(file);
}

/* Moves names about, in two directories that others do the same in. */
static void moves(void)
{
	mkdir(in("storm-0", 0, 0), 0777);
	mkdir(in("storm-1", 0, 0), 0777);
	for (; now() < end; done++) {
		const char *from = in("storm-%d/n%d", rand_r(&seed) % 2, rand_r(&seed) % 16);
		const char *to = in("storm-%d/n%d", rand_r(&seed) % 2, rand_r(&seed) % 16);
		int flags[] = { 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };

		if (renameat2(AT_FDCWD, from, AT_FDCWD, to, flags[rand_r(&seed) % 4]) != 0) {
			int file = open(from, O_RDWR | O_CREAT, 0600);

			if (file >= 0)
				close(file);
		}
	}
}

/* A thousand symbolic links, each to the next, and round again; and a thousand names that lead through ten others. */
static void loops(void)
{
	char target[64];
	struct stat status;

	mkdir(in("loops-%d", number, 0), 0700);
	for (int i = 0; i < LOOPS; i++, done++) {
		snprintf(target, sizeof(target), "l%d", (i + 1) % LOOPS);
		if (symlink(target, in("loops-%d/l%d", number, i)) != 0)
			fail("symlink");
	}
	while (now() < end) {
		for (int i = 0; i < LOOPS; i++, done++)
			if (stat(in("loops-%d/l%d", number, i), &status) == 0 || errno != ELOOP)
				fail("a loop leads somewhere");
	}
}

/* Sets attributes until there is no room, and removes them. */
static void floods(void)
{
	static char value[1 << 16], names[1 << 16];
	const char *path = in("flooded-%d", number, 0);
	int file = open(path, O_RDWR | O_CREAT, 0600);

	if (file < 0)
		fail(path);
	while (now() < end) {
		char name[64];
		long ignored;

		for (int i = 0; i < 500 && now() < end; i++, done++) {
			snprintf(name, sizeof(name), "user.%d", i);
			if (fsetxattr(file, name, value, rand_r(&seed) % sizeof(value), 0) != 0)
				break;
		}
		ignored = flistxattr(file, names, sizeof(names));
		(void)ignored;
		for (int i = 0; i < 500; i++) {
			snprintf(name, sizeof(name), "user.%d", i);
			fremovexattr(file, name);
		}
	}
	close(file);
}

static void nothing(int signal) { (void)signal; }

/* One round of everything; what it returns does not matter. */
static void all(void)
{
	char block[PAGE];
	struct stat status;
	const char *path = in("signalled-%d", number, 0), *other = in("signalled-%d-other", number, 0);
	int file = open(path, O_RDWR | O_CREAT, 0600);
	long ignored;

	ignored = write(file, block, sizeof(block));
	ignored = ftruncate(file, rand_r(&seed) % LARGE);
	ignored = pread(file, block, sizeof(block), 0);
	ignored = fallocate(file, 0, 0, rand_r(&seed) % LARGE + 1);
	ignored = setxattr(path, "user.a", block, 10, 0);
	ignored = stat(path, &status);
	ignored = rename(path, other);
	ignored = unlink(rand_r(&seed) % 2 ? other : path);
	close(file);
	file = open(in("sem.quiet", 0, 0), O_RDWR);
	ignored = write(file, "post\n", 5);
	ignored = write(file, "wait\n", 5);
	ignored = write(file, "timedacquire 0.001\n", 19);
	close(file);
	file = open(in(".shmfs/events", 0, 0), O_RDONLY);
	ignored = read(file, block, sizeof(block));
	close(file);
	file = open(in(".shmfs/objects", 0, 0), O_RDONLY);
	while (read(file, block, sizeof(block)) > 0)
		;
	close(file);
	(void)ignored;
}

/* Gets a signal at nearly every call. */
static void signals(void)
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval often = { { 0, 150 }, { 0, 150 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (; now() < end; done++)
		all();
}

/* Reads events, the table of objects and a file, over and over. */
static void readers(void)
{
	int events = open(in(".shmfs/events", 0, 0), O_RDONLY | O_NONBLOCK);
	char block[PAGE];
	long ignored;

	for (;;) {
		int file = open(in(".shmfs/objects", 0, 0), O_RDONLY);

		ignored = read(events, block, sizeof(block));
		while (read(file, block, 512) > 0)
			;
		close(file);
		file = open(in("shrinking", 0, 0), O_RDONLY);
		ignored = read(file, block, sizeof(block));
		close(file);
	}
	(void)ignored;
}

static pid_t child(void)
{
	pid_t process = fork();

	if (process < 0)
		fail("fork");
	if (process > 0)
		return process;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		exit(1);
	return 0;
}

/* Has a reader stopped most of the time. */
static void stops(void)
{
	pid_t reader = child();

	if (reader == 0)
		readers();
	for (; now() < end; done++) {
		kill(reader, SIGSTOP);
		rest(20000);
		kill(reader, SIGCONT);
		rest(rand_r(&seed) % 1000);
	}
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
}

/* Has a reader stopped at the beginning and at the end of each of its calls. */
static void traces(void)
{
	pid_t reader = child();
	int status;

	if (reader == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		readers();
	}
	for (; now() < end; done++) {
		if (waitpid(reader, &status, 0) != reader || !WIFSTOPPED(status))
			fail("waiting for the traced reader");
		rest(5000);
		if (ptrace(PTRACE_SYSCALL, reader, NULL, NULL) != 0)
			fail("PTRACE_SYSCALL");
	}
	kill(reader, SIGKILL);
	waitpid(reader, &status, 0);
}

int main(int count, char **argument)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} roles[] = { { "scribble", scribble }, { "operate", operate }, { "shrink", shrink }, { "look", look }, { "moves", moves }, { "loops", loops },
		      { "floods", floods }, { "signals", signals }, { "stops", stops }, { "traces", traces } };

	if (count != 5)
		return 2;
	place = argument[2];
	end = now() + atol(argument[3]) * 1000000;
	number = atoi(argument[4]);
	seed = number + 1;
	for (unsigned i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(argument[1], roles[i].name))
			continue;
		roles[i].run();
		printf("%ld\n", done);
		return 0;
	}
	return 2;
}
