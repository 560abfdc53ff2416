/* connect.c - connecting to a name, and the handshake behind it, as one future. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* Belongs to its timer, whose drop frees it: also when the loop is destroyed before the future is done, or a
 * program closes every handle that evl_loop_walk shows. So timer and stream are known by their ids. */
typedef struct connecting {
    evl_loop *loop;
    evl_tls_context *context;
    evl_future *future;
    uint64_t timer;
    uint64_t stream_id; /* 0: there is none */
    evl_op op;
    evl_stream *stream;
    char *host;
    char *service;
    char *name;
    int32_t *errors; /* of each address: the program's array may go with the future */
    int32_t *errors_out;
    int32_t errors_cap;
} connecting;

static void own(connecting *c, evl_stream *stream) {
    c->stream = stream;
    c->stream_id = stream ? evl_id(stream) : 0;
}

static void abort_stream(connecting *c) {
    (void)evl_stream_abort(evl_lookup(c->loop, c->stream_id));
    c->stream_id = 0;
}

static void release(connecting *c) {
    evl_tls_context_unref(c->context);
    evl_future_unref(c->future);
    evl_loop_unref(c->loop);
    free(c->host);
    free(c->service);
    free(c->name);
    free(c->errors);
    free(c);
}

static void drop_stream(void *stream) { (void)evl_stream_abort(stream); }

/* However the future ended. */
static void done(void *arg, int64_t state) {
    connecting *c = arg;
    (void)state;
    (void)evl_op_close(&c->op);
    abort_stream(c);
    (void)evl_close(evl_lookup(c->loop, c->timer));
}

/* Usually behind done, and there is nothing left. */
static void drop(void *arg) {
    connecting *c = arg;
    if (c->future)
        (void)evl_future_off_done(c->future, done, c);
    (void)evl_op_close(&c->op);
    abort_stream(c);
    if (c->future)
        (void)evl_future_cancel(c->future);
    release(c);
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
        c->stream_id = 0;
}

static int32_t shake(connecting *c) {
    evl_stream *secure = NULL, *plain = c->stream;
    int32_t rc = tls_upgrade_as(plain, c->context, c->name ? c->name : c->host, c->service, &secure);
    own(c, rc == 0 ? secure : rc == EVL_ENOMEM ? NULL : plain);
    if (rc != 0)
        return rc;
    (void)evl_op_init(&c->op, shaken, c, 0);
    return evl_tls_handshake(c->stream, &c->op);
}

static void connected(void *arg, int64_t rc) {
    connecting *c = arg;
    if (rc == 0)
        own(c, c->stream);
    if (evl_future_state(c->future) != EVL_FUTURE_PENDING)
        return; /* done comes, and ends it */
    if (c->errors)
        memcpy(c->errors_out, c->errors, (size_t)c->errors_cap * sizeof *c->errors);
    if (rc == 0)
        rc = shake(c);
    if (rc < 0)
        (void)evl_future_fail(c->future, (int32_t)rc);
}

/* --- beginning -------------------------------------------------------------------------------- */

static int32_t copy_texts(connecting *c, const char *host, const char *service, const char *name) {
    c->host = strdup(host);
    c->service = strdup(service);
    c->name = name ? strdup(name) : NULL;
    return c->host && c->service && (c->name || !name) ? 0 : EVL_ENOMEM;
}

/* Everything that can fail before there is anything to end. On an error it is released. */
static int32_t make(evl_loop *loop, evl_tls_context *context, const char *host, const char *service,
                    const char *name, connecting **out) {
    connecting *c = calloc(1, sizeof *c);
    evl_timer *timer;
    if (!c)
        return EVL_ENOMEM;
    c->loop = evl_loop_ref(loop);
    c->context = evl_tls_context_ref(context);
    int32_t rc = copy_texts(c, host, service, name);
    if (rc == 0)
        rc = evl_timer_new(loop, timed_out, c, &timer);
    if (rc == 0) {
        c->timer = evl_id(timer);
        rc = evl_set_drop(timer, drop);
        if (rc != 0)
            (void)evl_close(timer);
    }
    if (rc != 0)
        release(c);
    *out = c;
    return rc;
}

/* The program's options, with errors of our own. */
static int32_t copy_options(connecting *c, const evl_connect_options *given, evl_connect_options *out) {
    memcpy(out, given, given->struct_size < sizeof *out ? given->struct_size : sizeof *out);
    out->struct_size = sizeof *out;
    if (!out->errors || out->errors_cap <= 0)
        return 0;
    c->errors_out = out->errors;
    c->errors_cap = out->errors_cap;
    c->errors = calloc((size_t)out->errors_cap, sizeof *out->errors);
    out->errors = c->errors;
    return c->errors ? 0 : EVL_ENOMEM;
}

static int32_t start(connecting *c, const evl_tls_options *o) {
    evl_connect_options options = {.struct_size = sizeof options};
    int32_t rc = o && o->connect ? copy_options(c, o->connect, &options) : 0;
    (void)evl_op_init(&c->op, connected, c, 0);
    if (rc == 0)
        rc = evl_future_new(c->loop, &c->future);
    if (rc == 0)
        rc = evl_future_on_done(c->future, done, c);
    if (rc == 0)
        rc = evl_connect(c->loop, &c->op, c->host, c->service, &options, &c->stream);
    if (rc == 0 && o && o->timeout_ns > 0)
        rc = evl_timer_start_in(evl_lookup(c->loop, c->timer), o->timeout_ns, 0);
    return rc;
}

static int32_t check(const evl_tls_context *context, const char *host, const char *service,
                     const evl_tls_options *o) {
    int32_t rc = tls_check_options(context, o);
    if (rc != 0 || !host || !service || tls_is_server(context))
        return EVL_EINVAL;
    if (o && o->connect && o->connect->struct_size < sizeof o->connect->struct_size)
        return EVL_EINVAL;
    return tls_check_name(o && o->server_name ? o->server_name : host);
}

int32_t evl_tls_connect(evl_loop *loop, evl_tls_context *context, const char *host, const char *service,
                        const evl_tls_options *options, evl_future **out) {
    connecting *c;
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    int32_t rc = loop ? check(context, host, service, options) : EVL_EINVAL;
    if (rc == 0)
        rc = make(loop, context, host, service, options ? options->server_name : NULL, &c);
    if (rc != 0)
        return rc;
    rc = start(c, options);
    if (rc != 0)
        (void)evl_close(evl_lookup(loop, c->timer)); /* its drop ends what has begun */
    else
        *out = evl_future_ref(c->future);
    return rc;
}
