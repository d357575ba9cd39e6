/*
 * stream.h: a file over a stream of bytes (a pipe, a FIFO, a connected socket). The size goes ahead, so that a client
 * can tell the end of the file from a server that died.
 */
#ifndef STREAM_H
#define STREAM_H

#include "copy.h"

static inline int send_stream(int source, int stream)
{
    static unsigned char buffer[CHUNK];
    struct stat status;
    if (fstat(source, &status) != 0 || !S_ISREG(status.st_mode)) {
        fprintf(stderr, "server: the source is no regular file\n");
        return -1;
    }
    double began = now();
    uint64_t size = (uint64_t)status.st_size, sent = 0;
    if (write_all(stream, &size, sizeof size, "server", "the size") != 0)
        return -1;
    while (sent < size) {
        size_t most = size - sent < CHUNK ? (size_t)(size - sent) : CHUNK;
        ssize_t length = read_chunk(source, buffer, most);
        if (length == 0)
            fprintf(stderr, "server: the source became shorter while it was read\n");
        if (length <= 0 || write_all(stream, buffer, (size_t)length, "server", "to the client") != 0)
            return -1;
        sent += (uint64_t)length;
    }
    report_sent(sent, began);
    return 0;
}

/* receive_some is read(2) that has met its end only when the server is gone. */
static inline ssize_t receive_some(int stream, void *buffer, size_t most)
{
    ssize_t count;
    do
        count = read(stream, buffer, most);
    while (count < 0 && may_retry());
    if (count < 0 || stopped)
        return complain("client", "reading", "from the server");
    if (count == 0) {
        fprintf(stderr, "client: the server ended before the end of the file\n");
        return -1;
    }
    return count;
}

static inline int receive_stream(int stream, int copy, const char *path)
{
    static unsigned char buffer[CHUNK];
    uint64_t size = 0, written = 0;
    for (size_t got = 0; got < sizeof size;) {
        ssize_t count = receive_some(stream, (char *)&size + got, sizeof size - got);
        if (count < 0)
            return -1;
        got += (size_t)count;
    }
    while (written < size) {
        size_t most = size - written < CHUNK ? (size_t)(size - written) : CHUNK;
        ssize_t count = receive_some(stream, buffer, most); /* what is there, without waiting for more */
        if (count < 0 || write_all(copy, buffer, (size_t)count, "client", path) != 0)
            return -1;
        written += (uint64_t)count;
    }
    report_written(written);
    return close_copy(copy, path);
}

#endif
