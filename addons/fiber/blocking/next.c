/* next.c - the C library's own functions, and who calls. */
#include "blocking.h"

#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>

void *blocking_next(_Atomic(void *) *known, const char *name) {
    void *next = atomic_load_explicit(known, memory_order_relaxed);
    if (!next)
        atomic_store_explicit(known, next = dlsym(RTLD_NEXT, name), memory_order_relaxed);
    return next;
}

/* Where evloop's libraries are. What they call they call without waiting. */
typedef struct range {
    uintptr_t begin, end;
} range;

static range own[3];
static int owned;

typedef struct search {
    uintptr_t inside;
    range found;
} search;

static int look(struct dl_phdr_info *info, size_t size, void *arg) {
    search *s = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        uintptr_t end = begin + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && s->inside >= begin && s->inside < end &&
            info->dlpi_name[0])
            s->found = (range){begin, end};
    }
    return 0;
}

static void add(uintptr_t function) {
    search s = {.inside = function};
    (void)dl_iterate_phdr(look, &s);
    if (s.found.end)
        own[owned++] = s.found;
}

__attribute__((constructor)) static void find_own(void) {
    add((uintptr_t)evl_loop_run);
    add((uintptr_t)evl_fiber_spawn);
    add((uintptr_t)blocking_wait);
}

bool blocking_in_fiber(const void *caller) {
    for (int i = 0; i < owned; i++)
        if ((uintptr_t)caller >= own[i].begin && (uintptr_t)caller < own[i].end)
            return false;
    return true;
}

int blocking_fail(int64_t error) {
    int native = error == EVL_ECLOSED ? EBADF : evl_err_to_errno((int32_t)error);
    errno = native ? native : EIO;
    return -1;
}

static int64_t limit(int fd, int option) {
    struct timeval t;
    socklen_t size = sizeof t;
    if (option == 0 || getsockopt(fd, SOL_SOCKET, option, &t, &size) != 0 ||
        (t.tv_sec == 0 && t.tv_usec == 0))
        return EVL_NEVER;
    return (int64_t)t.tv_sec * EVL_SECOND + t.tv_usec * EVL_US;
}

int blocking_wait(int fd, uint32_t mask, int option) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -1;
    if (flags & O_NONBLOCK) {
        errno = EAGAIN;
        return -1;
    }
    int64_t rc = evl_fiber_wait_fd(fd, mask, limit(fd, option));
    if (rc == EVL_ETIMEDOUT)
        rc = EVL_EAGAIN; /* as the kernel reports these */
    return rc >= 0 ? 0 : blocking_fail(rc);
}
