/*
 * ring.h: the shared-memory object of server.c and client.c (and of server.py and client.py): a ring of chunks.
 *
 * Two semaphores count the chunks: "empty" those the server may fill, "full" those the client may write out. The server
 * thus reads one chunk while the client writes another. Whoever comes first creates the semaphores; the server alone
 * creates the object, before it first posts "full", and removes all three.
 */
#ifndef RING_H
#define RING_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "copy.h"

#define MAGIC 0x676e6972 /* "ring" */
#define SLOTS 4

struct ring {
    uint32_t magic;
    uint32_t slots;
    uint32_t chunk;          /* bytes of a slot */
    _Atomic uint32_t failed; /* set by the side that gives up, before it wakes the other */
    uint32_t length[SLOTS];  /* bytes in each slot; 0 is the end of the file */
    _Alignas(4096) unsigned char data[SLOTS][CHUNK];
};

_Static_assert(offsetof(struct ring, length) == 16, "the Python programs use the same layout");
_Static_assert(offsetof(struct ring, data) == 4096, "the Python programs use the same layout");

struct semaphores {
    char full_name[256], empty_name[256];
    sem_t *full, *empty;
};

/* name_semaphores derives both names from the object's last path component: /jobs.full and /jobs.empty. */
static inline int name_semaphores(struct semaphores *pair, const char *who, const char *object)
{
    const char *slash = strrchr(object, '/');
    const char *name = slash ? slash + 1 : object;
    if (*name == '\0' || strlen(name) > 240) {
        errno = *name ? ENAMETOOLONG : EINVAL;
        return complain(who, "naming the semaphores of", object);
    }
    snprintf(pair->full_name, sizeof pair->full_name, "/%s.full", name);
    snprintf(pair->empty_name, sizeof pair->empty_name, "/%s.empty", name);
    return 0;
}

static inline void close_semaphores(struct semaphores *pair)
{
    if (pair->full != SEM_FAILED)
        sem_close(pair->full);
    if (pair->empty != SEM_FAILED)
        sem_close(pair->empty);
}

static inline void unlink_semaphores(const struct semaphores *pair)
{
    sem_unlink(pair->full_name);
    sem_unlink(pair->empty_name);
}

static inline int open_semaphores(struct semaphores *pair, const char *who)
{
    pair->empty = SEM_FAILED;
    pair->full = sem_open(pair->full_name, O_CREAT, 0600, 0);
    if (pair->full == SEM_FAILED)
        return complain(who, "opening semaphore", pair->full_name);
    pair->empty = sem_open(pair->empty_name, O_CREAT, 0600, SLOTS);
    if (pair->empty == SEM_FAILED)
        return complain(who, "opening semaphore", pair->empty_name);
    return 0;
}

/* take waits for the semaphore, but not longer than PATIENCE seconds. */
static inline int take(sem_t *semaphore, const char *who, const char *name)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE;
    for (;;) {
        if (!stopped && sem_timedwait(semaphore, &deadline) == 0)
            return 0;
        if (stopped || !may_retry())
            return complain(who, "waiting for semaphore", name);
    }
}

/* check_alive says so when the other side has given up. */
static inline int check_alive(struct ring *ring, const char *who, const char *other)
{
    if (!ring->failed)
        return 0;
    fprintf(stderr, "%s: the %s has failed\n", who, other);
    return -1;
}

#endif
