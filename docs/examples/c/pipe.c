/*
 * pipe: copies a file from a server process to a client process, its child, over a pipe.
 *
 *     pipe SOURCE COPY
 */
#include <sys/wait.h>

#include "stream.h"

static int run_client(int stream, const char *path)
{
    int copy = create_copy(path);
    if (copy < 0)
        return FAILED;
    return receive_stream(stream, copy, path) == 0 ? SUCCEEDED : FAILED;
}

static int run_server(const char *path, int stream)
{
    int source = open_source(path);
    if (source < 0)
        return FAILED;
    int result = send_stream(source, stream);
    close(source);
    return result == 0 ? SUCCEEDED : FAILED;
}

/* wait_for returns the child's exit status; a child that a signal killed has failed. */
static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return FAILED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: pipe SOURCE COPY\n");
        return MISUSED;
    }
    catch_signals();
    int ends[2];
    if (pipe(ends) != 0)
        return complain("server", "making", "the pipe"), FAILED;
    pid_t child = fork();
    if (child < 0)
        return complain("server", "starting", "the client"), FAILED;
    if (child == 0) {
        close(ends[1]); /* or the end of the file would never come */
        return run_client(ends[0], argv[2]);
    }
    close(ends[0]);
    int sent = run_server(argv[1], ends[1]);
    close(ends[1]);
    int received = wait_for(child);
    return sent != SUCCEEDED ? sent : received;
}
