/*
 * A process that does what it is told: a call a line on standard input, its result a line on standard output, so that a test
 * can have one process wait while others act. The result is the call's number and, for what reads, the bytes in
 * hexadecimal; or `!` and the errno. SIGUSR1 interrupts: it has a handler without SA_RESTART.
 *
 * Descriptor 3, if the test gave one, is a socket that descriptors are sent over.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 6, LINE = 65536, PAGE = 4096, SOCKET = 3 };

static sem_t *semaphore;
static char *memory;
static unsigned char bytes[LINE];
static long length; /* of what was read, or negative */

static void on_signal(int number)
{
	(void)number;
}

static struct timespec after(clockid_t clock, long milliseconds)
{
	struct timespec at;

	clock_gettime(clock, &at);
	at.tv_sec += milliseconds / 1000;
	at.tv_nsec += milliseconds % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static long opened(sem_t *found)
{
	if (found == SEM_FAILED)
		return -1;
	semaphore = found;
	return 0;
}

static long libc_call(const char *verb, char **word, long *number)
{
	struct timespec at;
	int value;

	if (!strcmp(verb, "sem_open"))
		return opened(sem_open(word[1], 0));
	if (!strcmp(verb, "sem_create"))
		return opened(sem_open(word[1], O_CREAT, 0600, (unsigned)number[2]));
	if (!strcmp(verb, "sem_exclusive"))
		return opened(sem_open(word[1], O_CREAT | O_EXCL, 0600, (unsigned)number[2]));
	if (!strcmp(verb, "sem_unlink"))
		return sem_unlink(word[1]);
	if (!strcmp(verb, "sem_close"))
		return sem_close(semaphore);
	if (!strcmp(verb, "sem_post"))
		return sem_post(semaphore);
	if (!strcmp(verb, "sem_wait"))
		return sem_wait(semaphore);
	if (!strcmp(verb, "sem_trywait"))
		return sem_trywait(semaphore);
	if (!strcmp(verb, "sem_timedwait")) {
		at = after(CLOCK_REALTIME, number[1]);
		return sem_timedwait(semaphore, &at);
	}
	if (!strcmp(verb, "sem_clockwait")) {
#ifdef __GLIBC__
		at = after(CLOCK_MONOTONIC, number[1]);
		return sem_clockwait(semaphore, CLOCK_MONOTONIC, &at);
#else
		errno = ENOSYS;
		return -1;
#endif
	}
	if (!strcmp(verb, "sem_getvalue"))
		return sem_getvalue(semaphore, &value) ? -1 : value;
	errno = ENOSYS;
	return -1;
}

static long unhex(const char *text)
{
	unsigned value;
	long count = 0;

	for (; sscanf(text, "%2x", &value) == 1 && text[1]; text += 2)
		bytes[count++] = value;
	return count;
}

static long file_call(const char *verb, char **word, long *number)
{
	if (!strcmp(verb, "open"))
		return open(word[1], number[2], number[3]);
	if (!strcmp(verb, "close"))
		return close(number[1]);
	if (!strcmp(verb, "dup"))
		return dup(number[1]);
	if (!strcmp(verb, "write"))
		return write(number[1], bytes, word[2] ? unhex(word[2]) : 0);
	if (!strcmp(verb, "pwrite"))
		return pwrite(number[1], bytes, unhex(word[2]), number[3]);
	if (!strcmp(verb, "read"))
		return length = read(number[1], bytes, number[2]);
	if (!strcmp(verb, "pread"))
		return length = pread(number[1], bytes, number[2], number[3]);
	if (!strcmp(verb, "lseek"))
		return lseek(number[1], number[2], number[3]);
	if (!strcmp(verb, "ftruncate"))
		return ftruncate(number[1], number[2]);
	if (!strcmp(verb, "truncate"))
		return truncate(word[1], number[2]);
	if (!strcmp(verb, "fchmod"))
		return fchmod(number[1], number[2]);
	if (!strcmp(verb, "chmod"))
		return chmod(word[1], number[2]);
	if (!strcmp(verb, "rename"))
		return rename(word[1], word[2]);
	if (!strcmp(verb, "link"))
		return link(word[1], word[2]);
	if (!strcmp(verb, "unlink"))
		return unlink(word[1]);
	if (!strcmp(verb, "nonblock"))
		return fcntl(number[1], F_SETFL, (fcntl(number[1], F_GETFL) & ~O_NONBLOCK) | (number[2] ? O_NONBLOCK : 0));
	if (!strcmp(verb, "map")) {
		memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, number[1], 0);
		return memory == MAP_FAILED ? -1 : 0;
	}
	if (!strcmp(verb, "peek")) {
		memcpy(bytes, memory, number[1]);
		return length = number[1];
	}
	if (!strcmp(verb, "poke")) {
		long count = unhex(word[2]);

		memcpy(memory + number[1], bytes, count);
		return count;
	}
	if (!strcmp(verb, "unmap"))
		return munmap(memory, PAGE);
	errno = ENOSYS;
	return -1;
}

/* Bit 0: readable, bit 1: writable. */
static long select_one(int descriptor, long milliseconds)
{
	struct timeval most = { milliseconds / 1000, milliseconds % 1000 * 1000 };
	fd_set readable, writable;

	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(descriptor, &readable);
	if (select(descriptor + 1, &readable, NULL, NULL, &most) < 0)
		return -1;
	most.tv_sec = most.tv_usec = 0;
	FD_SET(descriptor, &writable);
	if (select(descriptor + 1, NULL, &writable, NULL, &most) < 0)
		return -1;
	return (FD_ISSET(descriptor, &readable) ? 1 : 0) + (FD_ISSET(descriptor, &writable) ? 2 : 0);
}

static long poll_call(const char *verb, long *number)
{
	struct pollfd polled = { .fd = number[1], .events = number[2] };
	struct epoll_event event = { .events = number[3], .data.fd = number[2] };
	int count;

	if (!strcmp(verb, "poll")) {
		count = poll(&polled, 1, number[3]);
		return count < 0 ? -1 : polled.revents;
	}
	if (!strcmp(verb, "select"))
		return select_one(number[1], number[2]);
	if (!strcmp(verb, "epoll_create"))
		return epoll_create1(0);
	if (!strcmp(verb, "epoll_add"))
		return epoll_ctl(number[1], EPOLL_CTL_ADD, number[2], &event);
	if (!strcmp(verb, "epoll_mod"))
		return epoll_ctl(number[1], EPOLL_CTL_MOD, number[2], &event);
	if (!strcmp(verb, "epoll_del"))
		return epoll_ctl(number[1], EPOLL_CTL_DEL, number[2], &event);
	if (!strcmp(verb, "epoll_wait")) {
		count = epoll_wait(number[1], &event, 1, number[2]);
		return count > 0 ? (long)event.events : count;
	}
	errno = ENOSYS;
	return -1;
}

/* A child that only lives, with everything that this process has open and mapped. */
static long fork_idle(void)
{
	pid_t child = fork();

	if (child)
		return child;
	for (int i = 0; i < SOCKET; i++)
		close(i);
	for (;;)
		pause();
}

static long kill_child(pid_t child)
{
	int status;

	if (kill(child, SIGKILL) || waitpid(child, &status, 0) != child)
		return -1;
	return 0;
}

static long pass(int descriptor)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (descriptor < 0) {
		if (recvmsg(SOCKET, &message, 0) != 1 || !(header = CMSG_FIRSTHDR(&message)))
			return -1;
		memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
		return descriptor;
	}
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
	return sendmsg(SOCKET, &message, 0) == 1 ? 0 : -1;
}

static long process_call(const char *verb, long *number)
{
	struct rusage used;

	if (!strcmp(verb, "fork"))
		return fork_idle();
	if (!strcmp(verb, "kill"))
		return kill_child(number[1]);
	if (!strcmp(verb, "send"))
		return pass(number[1]);
	if (!strcmp(verb, "receive"))
		return pass(-1);
	if (!strcmp(verb, "used")) { /* microseconds of processor time */
		getrusage(RUSAGE_SELF, &used);
		return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
	}
	errno = ENOSYS;
	return -1;
}

static long call(char **word)
{
	long number[WORDS] = { 0 }, result;
	const char *verb = word[0];

	for (int i = 1; i < WORDS && word[i]; i++)
		number[i] = strtol(word[i], NULL, 0);
	length = -1;
	errno = 0;
	if (!strncmp(verb, "sem_", 4))
		return libc_call(verb, word, number);
	result = file_call(verb, word, number);
	if (result < 0 && errno == ENOSYS)
		result = poll_call(verb, number);
	if (result < 0 && errno == ENOSYS)
		result = process_call(verb, number);
	return result;
}

static void report(long result)
{
	if (result < 0)
		printf("!%d", errno);
	else
		printf("%ld", result);
	if (result > 0 && length > 0) {
		putchar(' ');
		for (long i = 0; i < length; i++)
			printf("%02x", bytes[i]);
	}
	putchar('\n');
	fflush(stdout);
}

/* The next line without its end, or 0 at the end of input. Signals are of no matter here. */
static int next_line(char *line)
{
	long count = 0, got;

	for (;;) {
		got = read(0, line + count, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || count == 4 * LINE - 1)
			return 0;
		if (line[count] == '\n') {
			line[count] = 0;
			return 1;
		}
		count++;
	}
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	static char line[4 * LINE];

	umask(0);
	sigaction(SIGUSR1, &action, NULL);
	while (next_line(line)) {
		char *word[WORDS + 1] = { 0 };
		int count = 0;

		for (char *part = strtok(line, " "); part && count < WORDS; part = strtok(NULL, " "))
			word[count++] = part;
		if (count)
			report(call(word));
	}
	return 0;
}
