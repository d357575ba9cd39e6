/* The futex ping-pong: two processes, each with its own open and mapping of one file, pass a word to and fro. */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { round_trips = 2000 }; /* a pass */

/* The word says whose turn it is. */
enum turn { ours, partners };

/* No FUTEX_PRIVATE_FLAG: the kernel must find the waiter by the page's inode, which is what is measured. */
static void give_turn(_Atomic uint32_t *word, uint32_t turn)
{
	atomic_store(word, turn);
	if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		fail("waking the other process");
}

static void await_change(_Atomic uint32_t *word, uint32_t from, const struct timespec *patience)
{
	while (atomic_load(word) == from)
		if (syscall(SYS_futex, word, FUTEX_WAIT, from, patience, NULL, 0) < 0 && errno != EAGAIN && errno != EINTR)
			fail("waiting for the other process");
}

static void run_partner(struct job *job)
{
	_Atomic uint32_t *word = (_Atomic uint32_t *)map_file(open_file(job->path, O_RDWR), page, PROT_READ | PROT_WRITE);

	for (;;) {
		give_turn(word, ours);
		/* The time between two passes is the caller's and has no limit. */
		await_change(word, ours, NULL);
	}
}

static void await_partner(_Atomic uint32_t *word)
{
	const struct timespec patience = {.tv_sec = patience_seconds};

	await_change(word, partners, &patience);
}

static void prepare(struct job *job)
{
	_Atomic uint32_t *word;

	create_file(job);
	job->map = map_file(job->file, page, PROT_READ | PROT_WRITE);
	word = (_Atomic uint32_t *)job->map;
	atomic_store(word, partners);
	start_partner(job, run_partner);
	await_partner(word);
}

static double pass(struct job *job)
{
	_Atomic uint32_t *word = (_Atomic uint32_t *)job->map;
	double start = now();

	for (long trips = 0; trips < round_trips; trips++) {
		give_turn(word, partners);
		await_partner(word);
	}
	return (now() - start) / round_trips;
}

static void finish(struct job *job)
{
	end_partner(job);
	unmap_and_close(job->map, page, job->file);
	remove_file(job);
}

const struct kernel exchange_kernels[] = {
	{"ping-pong", prepare, pass, finish}, /* ns/round trip */
	{0},
};
