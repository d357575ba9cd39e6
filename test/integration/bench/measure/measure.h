/* What the kernels of measure share. A kernel is one kind of access; main.c drives it. */
#ifndef MEASURE_H
#define MEASURE_H

#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	page = 4096,
	any_cpu = -1,
	patience_seconds = 60, /* for another process's answers, a pass of them at most */
};

/* A job is one kernel at work below one directory. */
struct job {
	const char *directory;
	size_t bytes;              /* the size of the kernel's file */
	int cpu, partner_cpu;      /* where this process runs, and where its partner does; or any_cpu */
	long objects, directories; /* the population that create makes and the lookups look at */
	char path[4096];           /* the kernel's file */
	int file;
	char *map;
	char *buffer;
	long *order;    /* the lookups' directories, shuffled */
	long passes;    /* begun so far, this one included */
	pid_t partner;  /* the other process of those kernels that have one */
	uint64_t random; /* state of next_random, never 0 */
};

/*
 * A kernel is prepared once, passes any number of times, and finishes once. A pass returns its figure, in the kernel's
 * unit. What cannot be done ends the process through fail.
 */
struct kernel {
	const char *name;
	void (*prepare)(struct job *job);
	double (*pass)(struct job *job);
	void (*finish)(struct job *job);
};

extern const struct kernel mapping_kernels[], transfer_kernels[], exchange_kernels[], pipe_kernels[],
	semaphore_kernels[], population_kernels[];

/* fail says what could not be done and errno's text on standard error, and exits with 1. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* now returns nanoseconds of the monotonic clock. */
double now(void);

/* pin confines this process to one CPU; any_cpu leaves it as free as who started it. */
void pin(int cpu);

/* next_random advances *state (xorshift64) and returns it. */
uint64_t next_random(uint64_t *state);

/* create_file makes job->path afresh, job->bytes long, as job->file; remove_file unlinks it. */
void create_file(struct job *job);
void remove_file(struct job *job);

/* start_partner has run, which never returns, in a process of its own on job->partner_cpu, until end_partner or our own end. */
void start_partner(struct job *job, void (*run)(struct job *job));

/* end_partner fails if the partner has ended before. */
void end_partner(struct job *job);

/* expect_answers ends this process with an error unless answers_came is called within patience_seconds. */
void expect_answers(void);
void answers_came(void);

int open_file(const char *path, int flags);
char *map_file(int file, size_t bytes, int protection);
void unmap_and_close(char *map, size_t bytes, int file);

/* nothing is the step of a kernel that has nothing to prepare or finish. */
void nothing(struct job *job);

#endif
