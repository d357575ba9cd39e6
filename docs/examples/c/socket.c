/*
 * socket: copies a file from a server process to a client process over a UNIX stream socket.
 *
 *     socket server SOURCE SOCKET        start this one first
 *     socket client SOCKET COPY
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "stream.h"

static int new_socket(struct sockaddr_un *address, const char *path, const char *who)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return complain(who, "using socket", path);
    }
    strcpy(address->sun_path, path);
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (end < 0)
        return complain(who, "making socket", path);
    return end;
}

/* accept_client waits for one client and removes the socket's name. */
static int accept_client(const char *path)
{
    struct sockaddr_un address;
    int listener = new_socket(&address, path, "server");
    if (listener < 0)
        return -1;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0) {
        complain("server", "binding", path);
        close(listener);
        return -1;
    }
    int connection = -1;
    if (listen(listener, 1) != 0)
        complain("server", "listening on", path);
    else {
        say_ready("server");
        connection = accept(listener, NULL, NULL);
        if (connection < 0)
            complain("server", "accepting on", path);
    }
    close(listener);
    unlink(path);
    return connection;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int connection = new_socket(&address, path, "client");
    if (connection < 0)
        return -1;
    if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0) {
        complain("client", "connecting to", path);
        close(connection);
        return -1;
    }
    return connection;
}

static int run_server(const char *path, const char *name)
{
    int source = open_source(path);
    if (source < 0)
        return FAILED;
    int connection = accept_client(name);
    if (connection < 0)
        return FAILED;
    int result = send_stream(source, connection);
    close(connection);
    close(source);
    return result == 0 ? SUCCEEDED : FAILED;
}

static int run_client(const char *name, const char *path)
{
    int copy = create_copy(path);
    if (copy < 0)
        return FAILED;
    int connection = connect_to(name);
    if (connection < 0)
        return FAILED;
    int result = receive_stream(connection, copy, path);
    close(connection);
    return result == 0 ? SUCCEEDED : FAILED;
}

int main(int argc, char **argv)
{
    catch_signals();
    if (argc == 4 && strcmp(argv[1], "server") == 0)
        return run_server(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "client") == 0)
        return run_client(argv[2], argv[3]);
    fprintf(stderr, "usage: socket server SOURCE SOCKET\n       socket client SOCKET COPY\n");
    return MISUSED;
}
