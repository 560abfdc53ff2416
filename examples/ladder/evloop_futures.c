/* evloop_futures.c - a future for each source, and one for all of them together. */
#define _POSIX_C_SOURCE 200809L
#include "ladder.h"
#include <errno.h>
#include <evloop.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct fetch {
    source *source;
    evl_loop *loop;
    evl_future *end;
    int fd;
} fetch;

static void on_ready(void *arg, int64_t state);

/* A wait is a future too, and holds itself until it is over. */
static void wait_for_more(fetch *f) {
    evl_future *ready;
    int32_t rc = evl_future_new(f->loop, &ready);
    if (rc >= 0)
        rc = evl_future_on_done(ready, on_ready, f);
    if (rc >= 0)
        rc = evl_wait_fd(f->loop, evl_future_op(ready), f->fd, EVL_READ);
    if (rc < 0)
        evl_future_fail(f->end, rc);
    else
        evl_future_unref(ready);
}

static void on_ready(void *arg, int64_t state) {
    fetch *f = arg;
    if (state == EVL_FUTURE_VALUE && source_read(f->source, f->fd)) {
        wait_for_more(f);
        return;
    }
    close(f->fd);
    evl_future_resolve(f->end, 0);
}

static int32_t fetch_all(job *j, evl_loop *loop, fetch *fetches, evl_future **ends) {
    evl_metrics m = {.struct_size = sizeof m};
    evl_future *all = NULL;
    int32_t rc = 0;
    for (int i = 0; i < j->count && rc >= 0; i++) {
        fetch *f = &fetches[i];
        *f = (fetch){.source = &j->sources[i], .loop = loop, .fd = source_open(&j->sources[i], 1)};
        rc = evl_future_new(loop, &f->end);
        ends[i] = f->end;
        if (rc >= 0 && f->fd >= 0)
            wait_for_more(f);
        else if (rc >= 0)
            evl_future_resolve(f->end, 0); /* why has been noted */
    }
    if (rc >= 0)
        rc = evl_gather(loop, ends, (uint32_t)j->count, 0, &all);
    if (rc >= 0)
        rc = evl_loop_run_until(loop, all, NULL);
    evl_future_unref(all);
    if (rc >= 0)
        rc = evl_loop_metrics(loop, &m);
    j->waits = m.polls;
    for (int i = 0; i < j->count; i++)
        evl_future_unref(ends[i]);
    return rc;
}

int style_futures(job *j) {
    evl_options options = {.struct_size = sizeof options, .flags = EVL_LOOP_NOENV, .backend = j->backend};
    fetch *fetches = calloc((size_t)j->count, sizeof *fetches);
    evl_future **ends = calloc((size_t)j->count, sizeof(evl_future *));
    evl_loop *loop = NULL;
    int32_t rc = fetches == NULL || ends == NULL ? EVL_ENOMEM : evl_loop_new(&loop, &options);
    if (rc >= 0)
        rc = fetch_all(j, loop, fetches, ends);
    if (rc >= 0)
        rc = evl_loop_close(loop);
    else
        evl_loop_destroy(loop);
    free(fetches);
    free(ends);
    int native = evl_err_to_errno(rc < 0 ? rc : 0);
    return rc < 0 && native == 0 ? -EIO : -native; /* evloop has errors of its own too */
}
