/* Kernels that reach the memory through a mapping. */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

enum { random_reads = 2 << 20 }; /* a pass */

/* prepare_mapped leaves job->map mapped and every page of it written once. */
static void prepare_mapped(struct job *job)
{
	create_file(job);
	job->map = map_file(job->file, job->bytes, PROT_READ | PROT_WRITE);
	memset(job->map, 1, job->bytes);
}

static void finish_mapped(struct job *job)
{
	unmap_and_close(job->map, job->bytes, job->file);
	remove_file(job);
}

/* A fresh file each pass, so that every touch allocates its page. */
static double pass_first_touch(struct job *job)
{
	double start, elapsed;
	volatile char *touched;

	create_file(job);
	touched = job->map = map_file(job->file, job->bytes, PROT_READ | PROT_WRITE);
	start = now();
	for (size_t at = 0; at < job->bytes; at += page)
		touched[at] = 1;
	elapsed = now() - start;
	finish_mapped(job);
	return elapsed / (double)(job->bytes / page);
}

/* The pages exist and another mapping holds them; only the new mapping's page table is empty. */
static double pass_second_mapping(struct job *job)
{
	int file = open_file(job->path, O_RDONLY);
	volatile char *map = map_file(file, job->bytes, PROT_READ);
	double start = now(), elapsed;
	size_t sum = 0;

	for (size_t at = 0; at < job->bytes; at += page)
		sum += (size_t)map[at];
	elapsed = now() - start;
	unmap_and_close((char *)map, job->bytes, file);
	if (sum != job->bytes / page) {
		errno = EIO;
		fail("the second mapping of %s shows other bytes than the first wrote", job->path);
	}
	return elapsed / (double)(job->bytes / page);
}

/* The compiler must not drop stores whose result nobody reads. */
static void keep(const void *memory)
{
	__asm__ volatile("" : : "r"(memory) : "memory");
}

static double pass_memset(struct job *job)
{
	double start = now();

	memset(job->map, (int)(job->passes & 0x7f) + 1, job->bytes);
	keep(job->map);
	return (double)job->bytes / (now() - start);
}

/* From one half of the mapping to the other, so that loads and stores both go through it. */
static double pass_memcpy(struct job *job)
{
	size_t half = job->bytes / 2;
	double start = now();

	memcpy(job->map + half, job->map, half);
	keep(job->map);
	return (double)half / (now() - start);
}

static void prepare_random(struct job *job)
{
	if (job->bytes == 0 || (job->bytes & (job->bytes - 1)) != 0) {
		errno = EINVAL;
		fail("random reads need a power of two, not %zu bytes", job->bytes);
	}
	prepare_mapped(job);
}

static double pass_random(struct job *job)
{
	const uint64_t *words = (const uint64_t *)job->map;
	uint64_t mask = job->bytes / sizeof *words - 1, sum = 0, state = job->random;
	double start = now(), elapsed;

	for (long reads = 0; reads < random_reads; reads++)
		sum += words[next_random(&state) & mask];
	__asm__ volatile("" : : "r"(sum));
	elapsed = now() - start;
	job->random = state;
	return random_reads / elapsed * 1e3;
}

const struct kernel mapping_kernels[] = {
	{"first-touch", nothing, pass_first_touch, nothing},                    /* ns/page */
	{"second-mapping", prepare_mapped, pass_second_mapping, finish_mapped}, /* ns/page */
	{"memset", prepare_mapped, pass_memset, finish_mapped},                 /* GB/s */
	{"memcpy", prepare_mapped, pass_memcpy, finish_mapped},                 /* GB/s */
	{"random", prepare_random, pass_random, finish_mapped},                 /* million reads/s */
	{0},
};
