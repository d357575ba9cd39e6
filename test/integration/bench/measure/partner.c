/* The second process of the kernels that have one, and the patience with it. */
#include "measure.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void start_partner(struct job *job, void (*run)(struct job *job))
{
	job->partner = fork();
	if (job->partner < 0)
		fail("starting the partner");
	if (job->partner > 0)
		return;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		fail("binding the partner's life to the first process");
	pin(job->partner_cpu);
	run(job);
}

void end_partner(struct job *job)
{
	int status;

	if (kill(job->partner, SIGKILL) != 0)
		fail("ending the partner");
	if (waitpid(job->partner, &status, 0) != job->partner)
		fail("waiting for the partner's end");
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		errno = ECHILD;
		fail("the partner ended early with status %#x", (unsigned)status);
	}
}

static void give_up(int signal)
{
	static const char words[] = "measure: the other process does not answer\n";

	(void)signal;
	_exit(write(STDERR_FILENO, words, sizeof words - 1) < 0 ? 2 : 1);
}

void expect_answers(void)
{
	const struct sigaction action = {.sa_handler = give_up};

	if (sigaction(SIGALRM, &action, NULL) != 0)
		fail("handling the alarm");
	alarm(patience_seconds);
}

void answers_came(void)
{
	alarm(0);
}
