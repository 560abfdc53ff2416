/* evloop/adapters/sd_event.h - evloop hosted by sd-event, systemd's loop.
 *
 *     evl_sd_event_attach(event, loop, &source);
 *     sd_event_loop(event);                     // runs both
 *     sd_event_source_disable_unref(source);
 *
 * For services that talk D-Bus by sd-bus. Needs a backend with EVL_CAP_LOOP_FD, which epoll has. Only this
 * header: link libsystemd, 243 or newer, and evloop. */
#ifndef EVLOOP_ADAPTERS_SD_EVENT_H
#define EVLOOP_ADAPTERS_SD_EVENT_H

#include <evloop.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static inline int evl_sd_event_dup(int fd) {
#ifdef F_DUPFD_CLOEXEC
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
#else /* strict C */
    fd = dup(fd);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
#endif
}

static inline int evl_sd_event_ready(sd_event_source *source, int fd, uint32_t events, void *arg) {
    (void)fd, (void)events;
    if (evl_loop_dispatch((evl_loop *)arg, NULL, 0) < 0)
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF); /* the loop was destroyed */
    return 0;
}

static inline void evl_sd_event_gone(void *arg) { evl_loop_unref((evl_loop *)arg); }

/* Lets an sd-event loop run an evloop. *out is a source of sd-event's with one reference: its priority, name
 * and the like may be set, and sd_event_source_disable_unref ends it, also in a callback of either.
 *
 * evl_stop has no effect, and sd_event_loop runs until sd_event_exit, as ever. Either may end first: with its
 * loop destroyed the source does nothing any more, and evl_loop_close does not mind it. Errors:
 * - EVL_EINVAL: a NULL pointer.
 * - EVL_ENOTSUP: the loop's backend has no EVL_CAP_LOOP_FD.
 * - EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE: out of memory or fds; and what sd_event_add_io fails with. */
static inline int32_t evl_sd_event_attach(sd_event *event, evl_loop *loop, sd_event_source **out) {
    *out = NULL;
    if (!event || !loop)
        return EVL_EINVAL;
    evl_fd fd = evl_loop_fd(loop);
    if (fd < 0)
        return fd;
    int own = evl_sd_event_dup(fd); /* it outlives the loop */
    if (own < 0)
        return EVL_EMFILE;
    int rc = sd_event_add_io(event, out, own, EPOLLIN, evl_sd_event_ready, loop);
    if (rc < 0) {
        close(own);
        *out = NULL;
        return evl_err_from_errno(-rc);
    }
    (void)evl_loop_ref(loop);
    (void)sd_event_source_set_io_fd_own(*out, 1);
    (void)sd_event_source_set_destroy_callback(*out, evl_sd_event_gone);
    (void)sd_event_source_set_description(*out, "evloop");
    return 0;
}

#endif
