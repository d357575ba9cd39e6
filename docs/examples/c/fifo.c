/*
 * fifo: copies a file from a server process to a client process over a FIFO. Either may be started first.
 *
 *     fifo server SOURCE FIFO
 *     fifo client FIFO COPY
 */
#include "stream.h"

/* open_fifo creates the FIFO unless the other side has; open(2) then waits for the other side. */
static int open_fifo(const char *path, int flags, const char *who)
{
    struct stat status;
    if (mkfifo(path, 0600) != 0 && errno != EEXIST)
        return complain(who, "creating", path);
    if (lstat(path, &status) != 0 || !S_ISFIFO(status.st_mode)) {
        fprintf(stderr, "%s: %s is no FIFO\n", who, path);
        return -1;
    }
    say_ready(who);
    int fifo = open(path, flags | O_CLOEXEC);
    if (fifo < 0)
        complain(who, "opening", path);
    unlink(path); /* both sides have it open, or this one gives up: the name has served */
    return fifo;
}

static int run_server(const char *path, const char *name)
{
    int source = open_source(path);
    if (source < 0)
        return FAILED;
    int fifo = open_fifo(name, O_WRONLY, "server");
    if (fifo < 0)
        return FAILED;
    int result = send_stream(source, fifo);
    close(fifo);
    close(source);
    return result == 0 ? SUCCEEDED : FAILED;
}

static int run_client(const char *name, const char *path)
{
    int copy = create_copy(path);
    if (copy < 0)
        return FAILED;
    int fifo = open_fifo(name, O_RDONLY, "client");
    if (fifo < 0)
        return FAILED;
    int result = receive_stream(fifo, copy, path);
    close(fifo);
    return result == 0 ? SUCCEEDED : FAILED;
}

int main(int argc, char **argv)
{
    catch_signals();
    if (argc == 4 && strcmp(argv[1], "server") == 0)
        return run_server(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "client") == 0)
        return run_client(argv[2], argv[3]);
    fprintf(stderr, "usage: fifo server SOURCE FIFO\n       fifo client FIFO COPY\n");
    return MISUSED;
}
