/*
 * measure times one kind of access to files below a directory, in a process of its own.
 *
 * usage: measure KERNEL DIRECTORY BYTES CPU PARTNER-CPU OBJECTS DIRECTORIES
 *
 * A CPU of -1 stands for any. Semaphore kernels enter a mount namespace of their own, in which DIRECTORY covers /dev/shm.
 *
 * It prepares, prints "ready", and then makes one pass for each line it reads from standard input, printing one number a
 * pass (in the unit that the kernel's table entry names). The caller thereby interleaves passes of several processes, each
 * on a directory of its own. At the end of input it removes what it made and exits with 0. Any failure is one line on
 * standard error and exit status 1; files may then remain below DIRECTORY, which the caller removes as a whole.
 */
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kernel *find_kernel(const char *name)
{
	static const struct kernel *const tables[] = {
		mapping_kernels, transfer_kernels, exchange_kernels, pipe_kernels, semaphore_kernels, population_kernels,
	};

	for (size_t table = 0; table < sizeof tables / sizeof *tables; table++)
		for (const struct kernel *kernel = tables[table]; kernel->name != NULL; kernel++)
			if (strcmp(kernel->name, name) == 0)
				return kernel;
	errno = EINVAL;
	fail("unknown kernel %s", name);
}

static long number(const char *text, long least)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno == 0 && (*end != '\0' || end == text || value < least))
		errno = EINVAL;
	if (errno != 0)
		fail("reading the number %s", text);
	return value;
}

static void run(const struct kernel *kernel, struct job *job)
{
	char line[16];

	kernel->prepare(job);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin) != NULL) {
		job->passes++;
		printf("%.6f\n", kernel->pass(job));
		fflush(stdout);
	}
	kernel->finish(job);
}

int main(int count, char **arguments)
{
	struct job job = {.random = 0x9e3779b97f4a7c15};

	if (count != 8) {
		fputs("usage: measure KERNEL DIRECTORY BYTES CPU PARTNER-CPU OBJECTS DIRECTORIES\n", stderr);
		return 1;
	}
	job.directory = arguments[2];
	job.bytes = (size_t)number(arguments[3], 0);
	job.cpu = (int)number(arguments[4], any_cpu);
	job.partner_cpu = (int)number(arguments[5], any_cpu);
	job.objects = number(arguments[6], 0);
	job.directories = number(arguments[7], 0);
	pin(job.cpu);
	run(find_kernel(arguments[1]), &job);
	return 0;
}
