/* Kernels on many names: job->objects empty files, spread evenly over job->directories directories. */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	names_in_use = 100, /* a pass of lookup-in-use, at most */
	walks_in_use = 20,  /* over those names, timed */
};

static long objects_each(const struct job *job)
{
	return job->objects / job->directories;
}

static void require_even(struct job *job)
{
	if (job->directories > 0 && job->objects > 0 && job->objects % job->directories == 0)
		return;
	errno = EINVAL;
	fail("%ld objects cannot be spread evenly over %ld directories", job->objects, job->directories);
}

static void create_objects(struct job *job, long directory)
{
	for (long object = 0; object < objects_each(job); object++) {
		snprintf(job->path, sizeof job->path, "%s/directory-%ld/object-%ld", job->directory, directory, object);
		if (close(open_file(job->path, O_RDWR | O_CREAT | O_EXCL)) != 0)
			fail("closing %s", job->path);
	}
}

/* Meant for one pass: the objects stay, for the lookups, until the caller removes the directory or the mount. */
static double pass_create(struct job *job)
{
	double start = now();

	for (long directory = 0; directory < job->directories; directory++) {
		snprintf(job->path, sizeof job->path, "%s/directory-%ld", job->directory, directory);
		if (mkdir(job->path, 0700) != 0)
			fail("making %s", job->path);
		create_objects(job, directory);
	}
	return (now() - start) / 1e3 / (double)job->objects;
}

static void prepare_lookup(struct job *job)
{
	require_even(job);
	job->order = calloc((size_t)job->directories, sizeof *job->order);
	if (job->order == NULL)
		fail("allocating the order of %ld directories", job->directories);
	for (long directory = 0; directory < job->directories; directory++)
		job->order[directory] = directory;
}

static void finish_lookup(struct job *job)
{
	free(job->order);
}

static uint64_t below(uint64_t *state, uint64_t limit)
{
	return (next_random(state) >> 11) % limit;
}

static void shuffle(struct job *job)
{
	for (long at = job->directories - 1; at > 0; at--) {
		long other = (long)below(&job->random, (uint64_t)at + 1), kept = job->order[at];

		job->order[at] = job->order[other];
		job->order[other] = kept;
	}
}

/* look_up stats one object in each of the first count directories of job->order; state chooses which. */
static void look_up(struct job *job, long count, uint64_t state)
{
	struct stat status;

	for (long at = 0; at < count; at++) {
		long object = (long)below(&state, (uint64_t)objects_each(job));

		snprintf(job->path, sizeof job->path, "%s/directory-%ld/object-%ld", job->directory, job->order[at], object);
		if (stat(job->path, &status) != 0)
			fail("looking up %s", job->path);
	}
}

/*
 * As many names as there are directories, one in each, in a new random order. A name then costs the same number of path
 * components whether the directories hold one object each or a thousand.
 */
static double pass_lookup(struct job *job)
{
	double start;
	uint64_t state;

	shuffle(job);
	state = next_random(&job->random);
	start = now();
	look_up(job, job->directories, state);
	return (now() - start) / 1e3 / (double)job->directories;
}

/* Few random names again and again: what the kernel remembers of them fits the CPU's caches whatever else exists. */
static double pass_lookup_in_use(struct job *job)
{
	long count = job->directories < names_in_use ? job->directories : names_in_use;
	double start;
	uint64_t state;

	shuffle(job);
	state = next_random(&job->random);
	look_up(job, count, state);
	start = now();
	for (long walk = 0; walk < walks_in_use; walk++)
		look_up(job, count, state);
	return (now() - start) / 1e3 / (double)(count * walks_in_use);
}

const struct kernel population_kernels[] = {
	{"create", require_even, pass_create, nothing},                          /* us/object */
	{"lookup", prepare_lookup, pass_lookup, finish_lookup},                  /* us/name */
	{"lookup-in-use", prepare_lookup, pass_lookup_in_use, finish_lookup},    /* us/name */
	{0},
};
