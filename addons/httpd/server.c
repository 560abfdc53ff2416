/* server.c - listeners, limits, and the beginning and end of a server. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- options ---------------------------------------------------------------------------------- */

static int32_t check(const evl_http_server_options *o) {
    if (o->struct_size < sizeof *o || o->flags & ~(uint32_t)EVL_HTTP_SERVER_STREAM)
        return EVL_EINVAL;
    bool good = o->header_timeout_ns >= 0 && o->body_timeout_ns >= 0 && o->idle_timeout_ns >= 0 &&
                o->write_timeout_ns >= 0;
    return good ? 0 : EVL_EINVAL;
}

static void fill(evl_http_server_options *o) {
    o->max_header_bytes = o->max_header_bytes != 0 ? o->max_header_bytes : 16384;
    o->max_headers = o->max_headers != 0 ? o->max_headers : 100;
    o->max_body = o->max_body != 0 ? o->max_body : 1 << 20;
    o->header_timeout_ns = o->header_timeout_ns != 0 ? o->header_timeout_ns : 10 * EVL_SECOND;
    o->body_timeout_ns = o->body_timeout_ns != 0 ? o->body_timeout_ns : 30 * EVL_SECOND;
    o->idle_timeout_ns = o->idle_timeout_ns != 0 ? o->idle_timeout_ns : 60 * EVL_SECOND;
    o->write_timeout_ns = o->write_timeout_ns != 0 ? o->write_timeout_ns : 30 * EVL_SECOND;
}

int32_t evl_http_server_new(evl_loop *loop, const evl_http_server_options *options, evl_http_handler *handler,
                            void *arg, evl_http_server **out) {
    static const evl_http_server_options defaults = {.struct_size = sizeof defaults};
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    if (!options)
        options = &defaults;
    if (!loop || !handler || check(options) != 0)
        return EVL_EINVAL;
    evl_http_server *s = calloc(1, sizeof *s);
    if (!s)
        return EVL_ENOMEM;
    s->loop = evl_loop_ref(loop);
    s->handler = handler;
    s->arg = arg;
    s->o = *options;
    fill(&s->o);
    s->connections.prev = s->connections.next = &s->connections;
    s->date_s = -1;
    (void)evl_waitq_init(&s->idle, loop, NULL, NULL);
    *out = s;
    return 0;
}

/* --- connections ------------------------------------------------------------------------------ */

static void for_listeners(evl_http_server *s, int32_t (*what)(evl_handle *)) {
    for (uint32_t i = 0; i < s->listeners_count; i++)
        (void)what(evl_lookup(s->loop, s->listeners[i]));
}

static bool is_full(const evl_http_server *s) {
    return s->o.max_connections != 0 && (uint32_t)s->count >= s->o.max_connections;
}

/* Those above the limit wait in the kernel. */
static void pause_if_full(evl_http_server *s) {
    if (is_full(s) && !s->paused) {
        s->paused = true;
        for_listeners(s, evl_server_pause);
    }
}

void httpd_server_left(evl_http_server *s) {
    s->count--;
    if (s->paused && !is_full(s)) {
        s->paused = false;
        for_listeners(s, evl_server_resume);
    }
    if (s->stopping && s->count == 0)
        (void)evl_waitq_wake(&s->idle, -1, 0);
}

static bool accept_one(evl_http_server *s, evl_server *listener) {
    evl_stream *stream;
    if (is_full(s) || evl_server_accept(listener, &stream) != 0)
        return false;
    if (httpd_connection_new(s, stream) != 0)
        (void)evl_stream_abort(stream);
    pause_if_full(s);
    return true;
}

static void on_connection(void *arg, int64_t n) {
    evl_http_server *s = arg;
    for (uint32_t i = 0; n > 0 && i < s->listeners_count; i++) {
        evl_server *listener = evl_lookup(s->loop, s->listeners[i]);
        while (listener && accept_one(s, listener)) {
        }
    }
}

int32_t evl_http_server_serve(evl_http_server *s, evl_server *listener) {
    if (!s || !listener || evl_loop_of(listener) != s->loop)
        return EVL_EINVAL;
    if (s->stopping)
        return EVL_ECLOSED;
    uint64_t *listeners = realloc(s->listeners, (s->listeners_count + 1) * sizeof *listeners);
    if (!listeners)
        return EVL_ENOMEM;
    s->listeners = listeners;
    int32_t rc = evl_server_on_connection(listener, on_connection, s);
    if (rc != 0)
        return rc;
    listeners[s->listeners_count++] = evl_id(listener);
    if (s->paused)
        (void)evl_server_pause(listener);
    return 0;
}

int32_t evl_http_server_add(evl_http_server *s, evl_stream *stream) {
    if (!s || !stream || evl_loop_of(stream) != s->loop)
        return EVL_EINVAL;
    if (s->stopping)
        return EVL_ECLOSED;
    int32_t rc = httpd_connection_new(s, stream);
    if (rc == 0)
        pause_if_full(s);
    return rc;
}

int32_t evl_http_server_connections(const evl_http_server *s) { return s ? s->count : 0; }

/* --- the end ---------------------------------------------------------------------------------- */

static void close_listeners(evl_http_server *s) {
    for_listeners(s, evl_close);
    s->listeners_count = 0;
}

int32_t evl_http_server_stop(evl_http_server *s, evl_op *op) {
    if (!s)
        return EVL_EINVAL;
    int32_t rc = op ? evl_waitq_park(&s->idle, op) : 0;
    if (rc != 0)
        return rc;
    s->stopping = true;
    close_listeners(s);
    for (httpd_link *l = s->connections.next, *next; l != &s->connections; l = next) {
        httpd_connection *c = (httpd_connection *)(void *)l;
        next = l->next;
        c->keep = false;
        if (httpd_connection_is_idle(c))
            httpd_connection_close(c, EVL_ECLOSED, false);
    }
    if (s->count == 0)
        (void)evl_waitq_wake(&s->idle, -1, 0);
    return 0;
}

void evl_http_server_close(evl_http_server *s) {
    if (!s)
        return;
    close_listeners(s);
    s->paused = false;
    (void)evl_waitq_wake(&s->idle, -1, EVL_ECLOSED);
    while (s->connections.next != &s->connections)
        httpd_connection_close((httpd_connection *)(void *)s->connections.next, EVL_ECLOSED, false);
    evl_loop_unref(s->loop);
    free(s->listeners);
    free(s);
}

/* --- Date ------------------------------------------------------------------------------------- */

static void format(evl_http_server *s, time_t now) {
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t;
    char text[sizeof s->date] = "";
    (void)gmtime_r(&now, &t);
    (void)strftime(text, sizeof text, "Date: ---, %d --- %Y %H:%M:%S GMT\r\n", &t);
    memcpy(text + 6, days + (size_t)t.tm_wday * 3, 3);
    memcpy(text + 14, months + (size_t)t.tm_mon * 3, 3);
    memcpy(s->date, text, sizeof s->date);
}

/* The line, made once a second. */
const char *httpd_date(evl_http_server *s) {
    time_t now = time(NULL);
    if ((int64_t)now != s->date_s) {
        s->date_s = (int64_t)now;
        format(s, now);
    }
    return s->date;
}
