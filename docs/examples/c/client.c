/*
 * client: writes out the file that the server reads into the ring of chunks in a shared-memory object.
 *
 *     client OBJECT COPY        OBJECT is the server's, for example /dev/shm/copy
 */
#include "ring.h"

/* open_ring maps the server's object after checking that it is one of this layout. */
static struct ring *open_ring(const char *object)
{
    int file = open(object, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        complain("client", "opening", object);
        return NULL;
    }
    struct stat status;
    struct ring *ring = MAP_FAILED;
    errno = EINVAL; /* the error of an object that is too small */
    if (fstat(file, &status) == 0 && status.st_size >= (off_t)sizeof *ring)
        ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (ring == MAP_FAILED)
        complain("client", "mapping", object);
    close(file);
    if (ring == MAP_FAILED)
        return NULL;
    if (ring->magic != MAGIC || ring->slots != SLOTS || ring->chunk != CHUNK) {
        fprintf(stderr, "client: %s is no ring of %d chunks of %d bytes\n", object, SLOTS, CHUNK);
        munmap(ring, sizeof *ring);
        return NULL;
    }
    return ring;
}

/* receive_file writes straight from the mapping. The first chunk is known to be full when it is called. */
static int receive_file(struct ring *ring, struct semaphores *pair, int copy, const char *path)
{
    uint64_t written = 0;
    for (unsigned slot = 0;; slot = (slot + 1) % SLOTS) {
        if (check_alive(ring, "client", "server") != 0)
            return -1;
        uint32_t length = ring->length[slot];
        if (length == 0)
            break;
        if (length > CHUNK) {
            fprintf(stderr, "client: the server announces a chunk of %u bytes\n", length);
            return -1;
        }
        if (write_all(copy, ring->data[slot], length, "client", path) != 0)
            return -1;
        written += length;
        sem_post(pair->empty);
        if (take(pair->full, "client", pair->full_name) != 0)
            return -1;
    }
    report_written(written);
    return 0;
}

/* receive returns only after the server knows how it went. */
static int receive(const char *object, int copy, const char *path)
{
    struct semaphores pair;
    if (name_semaphores(&pair, "client", object) != 0)
        return -1;
    int result = open_semaphores(&pair, "client");
    if (result == 0) {
        say_ready("client");
        result = take(pair.full, "client", pair.full_name);
    }
    if (result != 0) {
        close_semaphores(&pair);
        unlink_semaphores(&pair); /* there is no server that would do it */
        return -1;
    }
    struct ring *ring = open_ring(object);
    result = ring == NULL ? -1 : receive_file(ring, &pair, copy, path);
    if (close_copy(copy, path) != 0)
        result = -1;
    if (ring != NULL) {
        if (result != 0)
            ring->failed = 1;
        sem_post(pair.empty);
        munmap(ring, sizeof *ring);
    }
    close_semaphores(&pair);
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: client OBJECT COPY\n");
        return MISUSED;
    }
    catch_signals();
    int copy = create_copy(argv[2]);
    if (copy < 0)
        return FAILED;
    return receive(argv[1], copy, argv[2]) == 0 ? SUCCEEDED : FAILED;
}
