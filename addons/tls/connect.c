/* connect.c - connecting to a name, and the handshake behind it, as one future. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* Belongs to its timer, whose drop frees it: also when the loop is destroyed before the future is done. */
typedef struct connecting {
    evl_tls_context *context;
    evl_future *future;
    evl_timer *timer;
    evl_op op;
    evl_stream *stream;
    char *host;
    char *service;
} connecting;

static void drop(void *arg) {
    connecting *c = arg;
    evl_tls_context_unref(c->context);
    evl_future_unref(c->future);
    free(c->host);
    free(c->service);
    free(c);
}

static void drop_stream(void *stream) { (void)evl_stream_abort(stream); }

/* However the future ended. */
static void done(void *arg, int64_t state) {
    connecting *c = arg;
    (void)state;
    (void)evl_op_close(&c->op);
    (void)evl_stream_abort(c->stream);
    (void)evl_close(c->timer);
}

static void timed_out(void *arg, int64_t n) {
    (void)n;
    (void)evl_future_fail(((connecting *)arg)->future, EVL_ETIMEDOUT);
}

static void shaken(void *arg, int64_t rc) {
    connecting *c = arg;
    if (rc < 0)
        (void)evl_future_fail(c->future, (int32_t)rc);
    else if (evl_future_resolve_owned(c->future, c->stream, drop_stream) == 0)
        c->stream = NULL;
}

static int32_t shake(connecting *c) {
    evl_stream *plain = c->stream;
    int32_t rc = tls_upgrade_as(plain, c->context, c->host, c->service, &c->stream);
    if (rc != 0) {
        c->stream = rc == EVL_ENOMEM ? NULL : plain;
        return rc;
    }
    (void)evl_op_init(&c->op, shaken, c, 0);
    return evl_tls_handshake(c->stream, &c->op);
}

static void connected(void *arg, int64_t rc) {
    connecting *c = arg;
    if (rc == 0)
        rc = shake(c);
    if (rc < 0)
        (void)evl_future_fail(c->future, (int32_t)rc);
}

static connecting *make(evl_tls_context *context, const char *host, const char *service) {
    connecting *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->context = evl_tls_context_ref(context);
    c->host = strdup(host);
    c->service = strdup(service);
    if (c->host && c->service)
        return c;
    drop(c);
    return NULL;
}

/* Each of these may fail, and what was made before is the timer's. */
static int32_t start(evl_loop *loop, connecting *c, const char *name, const evl_tls_options *o) {
    int32_t rc = evl_timer_new(loop, timed_out, c, &c->timer);
    if (rc != 0) {
        drop(c);
        return rc;
    }
    rc = evl_set_drop(c->timer, drop);
    if (rc != 0) {
        (void)evl_close(c->timer);
        drop(c);
        return rc;
    }
    (void)evl_op_init(&c->op, connected, c, 0);
    rc = evl_future_new(loop, &c->future);
    if (rc == 0)
        rc = evl_future_on_done(c->future, done, c);
    if (rc == 0)
        rc = evl_connect(loop, &c->op, c->host, c->service, o ? o->connect : NULL, &c->stream);
    if (rc == 0 && o && o->timeout_ns > 0)
        rc = evl_timer_start_in(c->timer, o->timeout_ns, 0);
    if (rc == 0 && name) {
        char *copy = strdup(name);
        free(copy ? c->host : NULL);
        c->host = copy ? copy : c->host;
        rc = copy ? 0 : EVL_ENOMEM;
    }
    if (rc != 0) {
        if (c->future)
            (void)evl_future_off_done(c->future, done, c);
        done(c, 0);
    }
    return rc;
}

int32_t evl_tls_connect(evl_loop *loop, evl_tls_context *context, const char *host, const char *service,
                        const evl_tls_options *options, evl_future **out) {
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    int32_t rc = loop && host && service ? tls_check_options(context, options) : EVL_EINVAL;
    if (rc == 0 && tls_is_server(context))
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    connecting *c = make(context, host, service);
    if (!c)
        return EVL_ENOMEM;
    rc = start(loop, c, options ? options->server_name : NULL, options);
    if (rc == 0)
        *out = evl_future_ref(c->future);
    return rc;
}
