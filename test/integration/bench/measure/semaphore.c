/* Kernels on named semaphores of libc: through the mapping that sem_open makes, and by writing text to their files. */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SHARED_MEMORY "/dev/shm" /* the one place where sem_open looks */

enum {
	batches = 65,       /* a pass of uncontended calls, */
	pairs = 8 << 10,    /* of post and wait, a batch: about 0.2 ms */
	round_trips = 1000, /* a pass */
	calls = 1000,       /* of text commands, a pass */
};

/* For sem_open; they carry the process's number, for other kernels may be at work below the same directory. */
static char our_name[32], partners_name[32];

static sem_t *ours, *partners;

/* Puts the job's directory in the place of /dev/shm, for this process and its partner only, and names the semaphores. */
static void enter(struct job *job)
{
	if (unshare(CLONE_NEWNS) != 0)
		fail("making a mount namespace");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		fail("parting from the mounts of others");
	if (mount(job->directory, SHARED_MEMORY, NULL, MS_BIND, NULL) != 0)
		fail("mounting %s over " SHARED_MEMORY, job->directory);
	snprintf(our_name, sizeof our_name, "/ours-%d", (int)getpid());
	snprintf(partners_name, sizeof partners_name, "/partners-%d", (int)getpid());
}

static sem_t *create_semaphore(const char *name)
{
	sem_t *semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 0);

	if (semaphore == SEM_FAILED)
		fail("creating semaphore %s", name);
	return semaphore;
}

/* Leaves the mapping that came with the fork, which sem_open would return again, for one of the caller's own. */
static sem_t *reopen_semaphore(sem_t *inherited, const char *name)
{
	sem_t *semaphore;

	if (sem_close(inherited) != 0)
		fail("closing the inherited semaphore %s", name);
	semaphore = sem_open(name, 0);
	if (semaphore == SEM_FAILED)
		fail("opening semaphore %s", name);
	return semaphore;
}

static void remove_semaphore(sem_t *semaphore, const char *name)
{
	if (sem_close(semaphore) != 0)
		fail("closing semaphore %s", name);
	if (sem_unlink(name) != 0)
		fail("removing semaphore %s", name);
}

static void post(sem_t *semaphore)
{
	if (sem_post(semaphore) != 0)
		fail("posting a semaphore");
}

static void await(sem_t *semaphore)
{
	if (sem_wait(semaphore) != 0)
		fail("waiting for a semaphore");
}

static void require_value(sem_t *semaphore, int want)
{
	int value;

	if (sem_getvalue(semaphore, &value) != 0)
		fail("asking for a semaphore's value");
	if (value == want)
		return;
	errno = EIO;
	fail("the semaphore's value is %d and not %d", value, want);
}

static void prepare_uncontended(struct job *job)
{
	enter(job);
	ours = create_semaphore(our_name);
}

static double pass_batch(void)
{
	double start = now();

	for (long pair = 0; pair < pairs; pair++) {
		post(ours);
		await(ours);
	}
	return (now() - start) / pairs;
}

static int compare(const void *left, const void *right)
{
	double one = *(const double *)left, other = *(const double *)right;

	return (one > other) - (one < other);
}

/* The median batch: the bar is narrow, and other processes that interrupt this one now and then must not decide it. */
static double pass_uncontended(struct job *job)
{
	double figures[batches];

	(void)job;
	for (long batch = 0; batch < batches; batch++)
		figures[batch] = pass_batch();
	require_value(ours, 0);
	qsort(figures, batches, sizeof *figures, compare);
	return figures[batches / 2];
}

static void finish_uncontended(struct job *job)
{
	(void)job;
	remove_semaphore(ours, our_name);
}

static void run_partner(struct job *job)
{
	sem_t *to = reopen_semaphore(ours, our_name), *from = reopen_semaphore(partners, partners_name);

	(void)job;
	for (;;) {
		post(to);
		await(from);
	}
}

static void await_partner(void)
{
	expect_answers();
	await(ours);
	answers_came();
}

static void prepare_ping_pong(struct job *job)
{
	enter(job);
	ours = create_semaphore(our_name);
	partners = create_semaphore(partners_name);
	start_partner(job, run_partner);
	await_partner();
}

static double pass_ping_pong(struct job *job)
{
	double start, elapsed;

	(void)job;
	expect_answers();
	start = now();
	for (long trips = 0; trips < round_trips; trips++) {
		post(partners);
		await(ours);
	}
	elapsed = now() - start;
	answers_came();
	require_value(ours, 0);
	return elapsed / round_trips;
}

static void finish_ping_pong(struct job *job)
{
	end_partner(job);
	remove_semaphore(ours, our_name);
	remove_semaphore(partners, partners_name);
}

/* Text is for shmfs. Where the target is a tmpfs, the kernel shows what writing as many bytes costs at least. */
static bool understands_text(const struct job *job)
{
	struct statfs about;

	if (fstatfs(job->file, &about) != 0)
		fail("looking at the file system of %s", job->path);
	return about.f_type != TMPFS_MAGIC;
}

static void prepare_text(struct job *job)
{
	enter(job);
	ours = create_semaphore(our_name);
	snprintf(job->path, sizeof job->path, SHARED_MEMORY "/sem.%s", our_name + 1);
	job->file = open_file(job->path, O_RDWR);
}

static void finish_text(struct job *job)
{
	if (close(job->file) != 0)
		fail("closing %s", job->path);
	remove_semaphore(ours, our_name);
}

static void write_command(struct job *job, const char *command, size_t length)
{
	if (pwrite(job->file, command, length, 0) != (ssize_t)length)
		fail("writing \"%.*s\" to %s", (int)length - 1, command, job->path);
}

static void set_value(struct job *job, int value)
{
	char command[32];
	int length = snprintf(command, sizeof command, "set %d\n", value);

	write_command(job, command, (size_t)length);
}

/* Times calls of one command, which takes the semaphore's value from one to the other. */
static double pass_text(struct job *job, const char *command, int before, int after)
{
	size_t length = strlen(command);
	double start, elapsed;

	expect_answers();
	set_value(job, before);
	start = now();
	for (long call = 0; call < calls; call++)
		write_command(job, command, length);
	elapsed = now() - start;
	answers_came();
	if (understands_text(job))
		require_value(ours, after);
	return elapsed / calls;
}

static double pass_text_post(struct job *job)
{
	return pass_text(job, "post\n", 0, calls);
}

static double pass_text_trywait(struct job *job)
{
	return pass_text(job, "trywait\n", calls, 0);
}

const struct kernel semaphore_kernels[] = {
	{"semaphore-uncontended", prepare_uncontended, pass_uncontended, finish_uncontended}, /* ns/post and wait */
	{"semaphore-ping-pong", prepare_ping_pong, pass_ping_pong, finish_ping_pong},         /* ns/round trip */
	{"semaphore-text-post", prepare_text, pass_text_post, finish_text},                   /* ns/command */
	{"semaphore-text-trywait", prepare_text, pass_text_trywait, finish_text},             /* ns/command */
	{0},
};
