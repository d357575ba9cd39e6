/* Kernels that reach the memory through pread and pwrite, 64 KiB a call. */
#include "measure.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { block = 64 << 10 };

static void write_all(struct job *job)
{
	for (size_t at = 0; at < job->bytes; at += block)
		if (pwrite(job->file, job->buffer, block, (off_t)at) != block)
			fail("writing %s at %zu", job->path, at);
}

static void read_all(struct job *job)
{
	for (size_t at = 0; at < job->bytes; at += block)
		if (pread(job->file, job->buffer, block, (off_t)at) != block)
			fail("reading %s at %zu", job->path, at);
}

static void prepare(struct job *job)
{
	create_file(job);
	job->buffer = aligned_alloc(page, block);
	if (job->buffer == NULL)
		fail("allocating %d bytes", block);
	memset(job->buffer, 1, block);
	write_all(job);
}

static void finish(struct job *job)
{
	if (close(job->file) != 0)
		fail("closing %s", job->path);
	remove_file(job);
	free(job->buffer);
}

/* Overwrites pages that exist: the call's own path, without the allocation that first-touch measures. */
static double pass_pwrite(struct job *job)
{
	double start = now();

	write_all(job);
	return (double)job->bytes / (now() - start);
}

static double pass_pread(struct job *job)
{
	double start = now();

	read_all(job);
	return (double)job->bytes / (now() - start);
}

const struct kernel transfer_kernels[] = {
	{"pread", prepare, pass_pread, finish},   /* GB/s */
	{"pwrite", prepare, pass_pwrite, finish}, /* GB/s */
	{0},
};
