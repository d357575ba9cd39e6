/*
 * server: reads a file into a ring of chunks in a shared-memory object; the client writes it out from there.
 *
 *     server SOURCE OBJECT        OBJECT is a path in the mount, for example /dev/shm/copy
 *
 * Server and client may be started in either order. The server ends when the client has written everything, and then
 * removes the object and its semaphores.
 */
#include "ring.h"

static struct ring *create_ring(const char *object)
{
    int file = open(object, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        int exists = errno == EEXIST;
        complain("server", "creating", object);
        if (exists)
            fprintf(stderr, "server: another server uses it, or one was killed: then remove it and its semaphores\n");
        return NULL;
    }
    struct ring *ring = MAP_FAILED;
    if (ftruncate(file, sizeof *ring) != 0)
        complain("server", "sizing", object);
    else if ((ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED)
        complain("server", "mapping", object);
    close(file); /* the mapping stays */
    if (ring == MAP_FAILED) {
        unlink(object);
        return NULL;
    }
    ring->magic = MAGIC;
    ring->slots = SLOTS;
    ring->chunk = CHUNK;
    return ring;
}

/* wait_empty returns when one more slot is empty. */
static int wait_empty(struct ring *ring, struct semaphores *pair)
{
    if (take(pair->empty, "server", pair->empty_name) != 0)
        return -1;
    return check_alive(ring, "server", "client");
}

/* send_file reads straight into the mapping: no buffer lies between the file and the shared memory. */
static int send_file(int source, struct ring *ring, struct semaphores *pair)
{
    uint64_t sent = 0;
    double began = now();
    for (unsigned slot = 0;; slot = (slot + 1) % SLOTS) {
        if (wait_empty(ring, pair) != 0)
            return -1;
        ssize_t length = read_chunk(source, ring->data[slot], CHUNK);
        if (length < 0)
            return -1;
        ring->length[slot] = (uint32_t)length;
        sem_post(pair->full);
        if (length == 0)
            break;
        sent += (uint64_t)length;
    }
    for (int slot = 0; slot < SLOTS; slot++) /* all slots are empty once the client is done */
        if (wait_empty(ring, pair) != 0)
            return -1;
    report_sent(sent, began);
    return 0;
}

static int serve(int source, const char *object)
{
    struct semaphores pair;
    if (name_semaphores(&pair, "server", object) != 0)
        return -1;
    struct ring *ring = create_ring(object);
    if (ring == NULL)
        return -1;
    int result = open_semaphores(&pair, "server");
    if (result == 0) {
        say_ready("server");
        result = send_file(source, ring, &pair);
    }
    if (result != 0) {
        ring->failed = 1;
        if (pair.full != SEM_FAILED)
            sem_post(pair.full);
    }
    close_semaphores(&pair);
    unlink_semaphores(&pair);
    unlink(object); /* last, so that semaphores without an object always have their first values */
    munmap(ring, sizeof *ring);
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: server SOURCE OBJECT\n");
        return MISUSED;
    }
    catch_signals();
    int source = open_source(argv[1]);
    if (source < 0)
        return FAILED;
    int result = serve(source, argv[2]);
    close(source);
    return result == 0 ? SUCCEEDED : FAILED;
}
