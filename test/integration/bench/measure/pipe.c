/* A byte to another process and back, over two pipes: what a question to a process must cost at least. */
#include "measure.h"

#include <unistd.h>

enum { round_trips = 1000 }; /* a pass */

/* The two ends that one process has of the two pipes. */
struct ends {
	int in, out;
};

static struct ends ours, partners;

static void open_pipe(int *in, int *out)
{
	int ends[2];

	if (pipe(ends) != 0)
		fail("making a pipe");
	*in = ends[0];
	*out = ends[1];
}

static void send_byte(struct ends ends)
{
	if (write(ends.out, "x", 1) != 1)
		fail("writing to the pipe");
}

static void await_byte(struct ends ends)
{
	char byte;

	if (read(ends.in, &byte, 1) != 1)
		fail("reading from the pipe");
}

static void run_partner(struct job *job)
{
	(void)job;
	for (;;) {
		await_byte(partners);
		send_byte(partners);
	}
}

static void prepare(struct job *job)
{
	open_pipe(&ours.in, &partners.out);
	open_pipe(&partners.in, &ours.out);
	start_partner(job, run_partner);
}

static double pass(struct job *job)
{
	double start, elapsed;

	(void)job;
	expect_answers();
	start = now();
	for (long trips = 0; trips < round_trips; trips++) {
		send_byte(ours);
		await_byte(ours);
	}
	elapsed = now() - start;
	answers_came();
	return elapsed / round_trips;
}

const struct kernel pipe_kernels[] = {
	{"pipe", prepare, pass, end_partner}, /* ns/round trip */
	{0},
};
