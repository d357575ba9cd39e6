// A process that maps the file it is given and does as it is told, until its standard input ends:
//
//	map       nothing more
//	leave     its main thread ends, another goes on
//	wait      one thread waits for the word at the beginning to change, with futex(2)
//	many      one thread waits there, with futex_waitv(2)
//	elsewhere one thread waits for a word outside the file
//
// It prints device, inode, the thread's id and its own, in decimal, when it has done so.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>

static const char *task;
static char *mapped;
static uint32_t outside;

static void check(int ok, const char *doing) {
	if (ok) return;
	perror(doing);
	exit(1);
}

static void until_end(void) {
	char c;
	while (read(0, &c, 1) > 0) {}
	_exit(0);
}

static void *waiter(void *written) {
	dprintf(1, "%s %d %d\n", (char *)written, (int)gettid(), (int)getpid());
	if (!strcmp(task, "leave")) until_end();
	if (!strcmp(task, "wait")) syscall(SYS_futex, mapped, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, -1);
	if (!strcmp(task, "elsewhere")) syscall(SYS_futex, &outside, FUTEX_WAIT, 0, NULL);
	if (!strcmp(task, "many")) {
		struct futex_waitv one = {.val = 0, .uaddr = (uintptr_t)mapped, .flags = FUTEX_32};
		syscall(SYS_futex_waitv, &one, 1, 0, NULL, 0);
	}
	return NULL;
}

int main(int count, char **arguments) {
	check(count == 3, "peer FILE TASK");
	task = arguments[2];
	int file = open(arguments[1], O_RDWR | O_CREAT, 0600);
	check(file >= 0 && !ftruncate(file, 8192), "opening");
	mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	check(mapped != MAP_FAILED, "mapping");
	check(mprotect(mapped + 4096, 4096, PROT_READ) == 0, "protecting");
	struct stat status;
	check(fstat(file, &status) == 0 && close(file) == 0, "looking");
	char written[64];
	snprintf(written, sizeof written, "%ju %ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	if (!strcmp(task, "map")) {
		waiter(written);
		until_end();
	}
	pthread_t thread;
	check(pthread_create(&thread, NULL, waiter, written) == 0, "starting a thread");
	if (!strcmp(task, "leave")) pthread_exit(NULL);
	until_end();
}
