/*
 * copy.h: what all the example programs share: reading and writing whole chunks, saying what failed, and stopping on a
 * signal. Every function that fails has said so on stderr and returns -1.
 */
#ifndef COPY_H
#define COPY_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (256 * 1024) /* bytes handed over at a time */

#ifndef PATIENCE
#define PATIENCE 30 /* seconds without a sign of life after which the other side is taken for dead */
#endif

enum { SUCCEEDED = 0, FAILED = 1, MISUSED = 2 }; /* exit statuses */

static volatile sig_atomic_t stopped; /* a signal has asked this process to stop */

static inline void stop(int number)
{
    (void)number;
    stopped = 1;
}

/*
 * SIGINT and SIGTERM end the copy in an orderly way: without SA_RESTART the blocking call returns EINTR, and the program
 * removes what it created. SIGPIPE is ignored so that a dead reader shows up as EPIPE.
 */
static inline void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* complain prints "who: what name: the error in errno". */
static inline int complain(const char *who, const char *what, const char *name)
{
    fprintf(stderr, "%s: %s %s: %s\n", who, what, name, stopped ? "stopped by a signal" : strerror(errno));
    return -1;
}

/* may_retry tells an interrupted call that is worth another try from one that must give up. */
static inline int may_retry(void)
{
    return errno == EINTR && !stopped;
}

/* now is the monotonic clock, in seconds; it is the same for all processes of one machine. */
static inline double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* say_ready tells whoever started this program that the other side may be started now. */
static inline void say_ready(const char *who)
{
    fprintf(stderr, "%s: ready\n", who);
}

static inline void report_sent(uint64_t bytes, double began)
{
    fprintf(stderr, "server: sent %llu bytes, began at %.9f\n", (unsigned long long)bytes, began);
}

static inline void report_written(uint64_t bytes)
{
    fprintf(stderr, "client: wrote %llu bytes, ended at %.9f\n", (unsigned long long)bytes, now());
}

/* read_chunk fills the buffer: it returns fewer bytes than most only at the end of the file, and 0 beyond it. */
static inline ssize_t read_chunk(int file, void *buffer, size_t most)
{
    size_t filled = 0;
    while (filled < most) {
        ssize_t count = read(file, (char *)buffer + filled, most - filled);
        if (count < 0 && may_retry())
            continue;
        if (count < 0 || stopped)
            return complain("server", "reading", "the source");
        if (count == 0)
            break;
        filled += (size_t)count;
    }
    return (ssize_t)filled;
}

/* write_all writes every byte, however many calls that takes. */
static inline int write_all(int file, const void *buffer, size_t length, const char *who, const char *name)
{
    size_t written = 0;
    while (written < length) {
        ssize_t count = write(file, (const char *)buffer + written, length - written);
        if (count < 0 && may_retry())
            continue;
        if (count < 0 || stopped)
            return complain(who, "writing", name);
        written += (size_t)count;
    }
    return 0;
}

static inline int open_source(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return complain("server", "opening", path);
    return file;
}

static inline int create_copy(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0)
        return complain("client", "creating", path);
    return file;
}

/* close_copy reports what some file systems tell only at close. */
static inline int close_copy(int file, const char *path)
{
    return close(file) == 0 ? 0 : complain("client", "closing", path);
}

#endif
