/* evloop_streams.c - a stream for each source. Nobody reads: what comes is handed over. */
#define _POSIX_C_SOURCE 200809L
#include "ladder.h"
#include <arpa/inet.h>
#include <errno.h>
#include <evloop.h>
#include <netinet/in.h>
#include <stdlib.h>

typedef struct fetch {
    source *source;
    evl_stream *stream;
    evl_op connected;
} fetch;

static void on_data(void *arg, int64_t n) {
    fetch *f = arg;
    const void *data = NULL;
    if (n > 0)
        evl_stream_peek(f->stream, &data);
    if (!source_take(f->source, data, n < 0 ? -evl_err_to_errno((int32_t)n) : n))
        evl_stream_abort(f->stream);
}

static void on_connected(void *arg, int64_t rc) {
    fetch *f = arg;
    if (rc == 0)
        rc = evl_stream_on_data(f->stream, on_data, f);
    if (rc < 0)
        on_data(f, rc);
}

static int32_t fetch_all(job *j, evl_loop *loop, fetch *fetches) {
    evl_metrics m = {.struct_size = sizeof m};
    int32_t rc = 0;
    for (int i = 0; i < j->count && rc >= 0; i++) {
        fetch *f = &fetches[i];
        struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(j->sources[i].port)};
        addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        f->source = &j->sources[i];
        rc = evl_op_init(&f->connected, on_connected, f, 0);
        if (rc >= 0)
            rc = evl_connect_to(loop, &f->connected, &addr, sizeof addr, NULL, &f->stream);
    }
    if (rc >= 0)
        rc = evl_loop_run(loop, EVL_RUN_DEFAULT);
    if (rc >= 0)
        rc = evl_loop_metrics(loop, &m);
    j->waits = m.polls;
    return rc;
}

int style_streams(job *j) {
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
