/* passed.c - fds that a service manager has opened for this process: LISTEN_PID, LISTEN_FDS of systemd. */
#include "../base/sys.h"
#include <evloop/errors.h>
#include <evloop/server.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_FD 3
#define FDS_MAX  4096

/* A number from the environment, or 0. */
static long number(const char *name) {
    const char *text = getenv(name);
    char *end;
    if (!text || text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    long value = strtol(text, &end, 10);
    return *end == '\0' && errno == 0 ? value : 0;
}

int32_t evl_passed_fds(evl_fd *fds, int32_t cap) {
    if (cap < 0 || (cap > 0 && !fds))
        return EVL_EINVAL;
    long count = number("LISTEN_FDS");
    if (number("LISTEN_PID") != (long)getpid() || count <= 0 || count > FDS_MAX)
        return 0;
    for (int32_t i = 0; i < count; i++) {
        if (evl_sys.set_cloexec(FIRST_FD + i) < 0)
            return evl_err_from_errno(errno);
        if (i < cap)
            fds[i] = FIRST_FD + i;
    }
    return (int32_t)count;
}
