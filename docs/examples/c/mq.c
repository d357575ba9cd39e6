/*
 * mq: copies a file from a server process to a client process over a POSIX message queue.
 *
 *     mq client /QUEUE COPY        start this one first: it creates the queue, and removes it at the end
 *     mq server SOURCE /QUEUE
 *
 * The end of the file is an empty message. A server that fails says so in an empty message of higher priority, which
 * overtakes the chunks.
 */
#include <mqueue.h>

#include "copy.h"

/* What every process may have without a privilege (/proc/sys/fs/mqueue). */
#define MESSAGE 8192
#define MESSAGES 10

enum { CONTENT, FAILURE }; /* priorities */

static unsigned char message[MESSAGE];

static struct timespec deadline(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += PATIENCE;
    return time;
}

static int send_message(mqd_t queue, size_t length, unsigned priority)
{
    struct timespec until = deadline();
    while (mq_timedsend(queue, (char *)message, length, priority, &until) != 0)
        if (!may_retry())
            return complain("server", "sending to", "the queue");
    return 0;
}

static int send_file(int source, mqd_t queue)
{
    uint64_t sent = 0;
    double began = now();
    for (;;) {
        ssize_t length = read_chunk(source, message, MESSAGE);
        if (length < 0 || send_message(queue, (size_t)length, CONTENT) != 0)
            return -1;
        if (length == 0)
            break;
        sent += (uint64_t)length;
    }
    report_sent(sent, began);
    return 0;
}

static ssize_t receive_message(mqd_t queue)
{
    struct timespec until = deadline();
    unsigned priority = CONTENT;
    ssize_t length;
    do
        length = mq_timedreceive(queue, (char *)message, MESSAGE, &priority, &until);
    while (length < 0 && may_retry());
    if (length < 0)
        return complain("client", "receiving from", "the queue");
    if (priority == FAILURE) {
        fprintf(stderr, "client: the server has failed\n");
        return -1;
    }
    return length;
}

static int receive_file(mqd_t queue, int copy, const char *path)
{
    uint64_t written = 0;
    for (;;) {
        ssize_t length = receive_message(queue);
        if (length < 0)
            return -1;
        if (length == 0)
            break;
        if (write_all(copy, message, (size_t)length, "client", path) != 0)
            return -1;
        written += (uint64_t)length;
    }
    report_written(written);
    return close_copy(copy, path);
}

static int run_server(const char *path, const char *name)
{
    int source = open_source(path);
    if (source < 0)
        return FAILED;
    mqd_t queue = mq_open(name, O_WRONLY | O_CLOEXEC);
    if (queue == (mqd_t)-1)
        return complain("server", "opening queue", name), FAILED;
    int result = send_file(source, queue);
    if (result != 0)
        send_message(queue, 0, FAILURE);
    mq_close(queue);
    close(source);
    return result == 0 ? SUCCEEDED : FAILED;
}

static int run_client(const char *name, const char *path)
{
    int copy = create_copy(path);
    if (copy < 0)
        return FAILED;
    struct mq_attr attributes = {.mq_maxmsg = MESSAGES, .mq_msgsize = MESSAGE};
    mqd_t queue = mq_open(name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
    if (queue == (mqd_t)-1)
        return complain("client", "creating queue", name), FAILED;
    say_ready("client");
    int result = receive_file(queue, copy, path);
    mq_close(queue);
    mq_unlink(name);
    return result == 0 ? SUCCEEDED : FAILED;
}

int main(int argc, char **argv)
{
    catch_signals();
    if (argc == 4 && strcmp(argv[1], "server") == 0)
        return run_server(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "client") == 0)
        return run_client(argv[2], argv[3]);
    fprintf(stderr, "usage: mq client /QUEUE COPY\n       mq server SOURCE /QUEUE\n");
    return MISUSED;
}
