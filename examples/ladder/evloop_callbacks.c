/* evloop_callbacks.c - a watcher for each source. No table of fds, no turn to write: what is ready calls
 * back, and the run is over when the last watcher is closed. */
#define _POSIX_C_SOURCE 200809L
#include "ladder.h"
#include <errno.h>
#include <evloop.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct fetch {
    source *source;
    evl_io *io;
    int fd;
} fetch;

static void on_readable(void *arg, int64_t mask) {
    fetch *f = arg;
    if (mask > 0 && source_read(f->source, f->fd))
        return;
    evl_close(f->io);
    close(f->fd);
}

static int32_t fetch_all(job *j, evl_loop *loop, fetch *fetches) {
    evl_metrics m = {.struct_size = sizeof m};
    int32_t rc = 0;
    for (int i = 0; i < j->count && rc >= 0; i++) {
        fetch *f = &fetches[i];
        *f = (fetch){.source = &j->sources[i], .fd = source_open(&j->sources[i], 1)};
        if (f->fd >= 0)
            rc = evl_io_new(loop, f->fd, EVL_READ, 0, on_readable, f, &f->io);
    }
    if (rc >= 0)
        rc = evl_loop_run(loop, EVL_RUN_DEFAULT);
    if (rc >= 0)
        rc = evl_loop_metrics(loop, &m);
    j->waits = m.polls;
    return rc;
}

int style_evloop(job *j) {
    evl_options options = {.struct_size = sizeof options, .flags = EVL_LOOP_NOENV, .backend = j->backend};
    fetch *fetches = calloc((size_t)j->count, sizeof *fetches);
    evl_loop *loop = NULL;
    int32_t rc = fetches == NULL ? EVL_ENOMEM : evl_loop_new(&loop, &options);
    if (rc >= 0)
        rc = fetch_all(j, loop, fetches);
    if (rc >= 0)
        rc = evl_loop_close(loop);
    else
        evl_loop_destroy(loop);
    free(fetches);
    int native = evl_err_to_errno(rc < 0 ? rc : 0);
    return rc < 0 && native == 0 ? -EIO : -native; /* evloop has errors of its own too */
}
