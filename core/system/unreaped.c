/* unreaped.c - children whose handle and loop are freed. Their status must be taken by a loop that is left,
 * or they stay zombies. */
#include "unreaped.h"
#include "../base/sys.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>

#define ORPHANS 256

static atomic_int orphans[ORPHANS]; /* process ids, 0: free, -1: a thread is checking it */
static atomic_int orphan_count;     /* may be too large for a moment */

/* Without a free entry the child stays a zombie until this process ends. */
void evl_unreaped_add(int pid) {
    atomic_fetch_add(&orphan_count, 1);
    for (int i = 0; i < ORPHANS; i++) {
        int unused = 0;
        if (atomic_compare_exchange_strong(&orphans[i], &unused, pid))
            return;
    }
    atomic_fetch_sub(&orphan_count, 1);
}

/* A new child with the id `reused` means that the child in the table was reaped elsewhere. */
void evl_unreaped_reap(int reused) {
    for (int i = 0; i < ORPHANS && atomic_load(&orphan_count) > 0; i++) {
        int pid = atomic_load(&orphans[i]), status;
        if (pid <= 0 || !atomic_compare_exchange_strong(&orphans[i], &pid, -1))
            continue;
        int rc = pid != reused ? evl_sys.wait_child(-1, pid, &status, WNOHANG) : -1;
        bool stays = rc == 0 || (rc < 0 && pid != reused && errno == EINTR);
        atomic_store(&orphans[i], stays ? pid : 0);
        if (!stays)
            atomic_fetch_sub(&orphan_count, 1);
    }
}
