/* connection.c - a connection from its first byte to its end. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* --- memory ----------------------------------------------------------------------------------- */

void httpd_connection_ref(httpd_connection *c) { c->refs++; }

void httpd_connection_unref(httpd_connection *c) {
    if (--c->refs != 0)
        return;
    httpd_parser_free(c->parser);
    httpd_bytes_free(&c->texts);
    httpd_bytes_free(&c->body);
    httpd_bytes_free(&c->lines);
    httpd_bytes_free(&c->out);
    free(c->headers);
    evl_loop_unref(c->loop);
    free(c);
}

/* --- its end ---------------------------------------------------------------------------------- */

/* The stream is another's, or closed. */
static void leave(httpd_connection *c, int32_t error) {
    evl_http_server *s = c->server;
    c->stream = NULL;
    c->server = NULL;
    c->error = error;
    (void)evl_op_close(&c->flushed);
    httpd_response_file_off(c);
    (void)evl_close(evl_lookup(c->loop, c->timer));
    (void)evl_waitq_wake(&c->reading, -1, error);
    (void)evl_waitq_wake(&c->gone, -1, error);
    c->link.prev->next = c->link.next;
    c->link.next->prev = c->link.prev;
    if (c->finishing) { /* the program has ended it already */
        c->finishing = false;
        httpd_connection_unref(c);
    }
    httpd_server_left(s);
}

void httpd_connection_close(httpd_connection *c, int32_t error, bool abort) {
    evl_stream *stream = c->stream;
    if (!stream)
        return;
    httpd_connection_ref(c);
    if (!abort && c->out.end != 0)
        (void)evl_stream_write(stream, c->out.data, c->out.end);
    leave(c, error);
    (void)(abort ? evl_stream_abort(stream) : evl_close(stream));
    httpd_connection_unref(c);
}

/* The stream was closed: by the connection, with the loop, or by a program that closes all that it finds. */
static void drop(void *arg) {
    httpd_connection *c = arg;
    if (c->stream)
        leave(c, EVL_ECLOSED);
    httpd_connection_unref(c);
}

/* The program has the stream from now on. */
void httpd_connection_detach(httpd_connection *c) {
    evl_stream *stream = c->stream;
    (void)evl_stream_pause(stream);
    (void)evl_set_drop(stream, NULL);
    (void)evl_set_arg(stream, NULL);
    (void)evl_stream_set_write_timeout(stream, 0);
    leave(c, EVL_ECLOSED);
    httpd_connection_unref(c);
}

/* --- time ------------------------------------------------------------------------------------- */

/* The timer only ever moves to the front here; when it looks too early it is set again. So a request costs
 * nothing but a store. */
void httpd_connection_deadline(httpd_connection *c, int64_t ns) {
    int64_t now = evl_now(c->loop);
    c->deadline = ns == 0 || ns > EVL_NEVER - now ? EVL_NEVER : now + ns;
    if (c->deadline >= c->armed)
        return;
    c->armed = c->deadline;
    (void)evl_timer_start_at(evl_lookup(c->loop, c->timer), c->armed, 0);
}

static void on_timer(void *arg, int64_t n) {
    httpd_connection *c = arg;
    (void)n;
    c->armed = EVL_NEVER;
    if (c->deadline > evl_now(c->loop)) {
        if (c->deadline != EVL_NEVER) {
            c->armed = c->deadline;
            (void)evl_timer_start_at(evl_lookup(c->loop, c->timer), c->armed, 0);
        }
    } else if (c->held || c->begun)
        httpd_response_refuse(c, 408);
    else
        httpd_connection_close(c, EVL_ETIMEDOUT, false);
}

static bool wants_input(const httpd_connection *c) {
    if (!c->stream || c->finishing)
        return false;
    if (c->held)
        return !c->body_over && httpd_bytes_size(&c->body) < HTTPD_MARK;
    return evl_stream_queued(c->stream) <= HTTPD_MARK;
}

/* It waits for more of a request, or for the program. */
void httpd_connection_wait(httpd_connection *c) {
    const evl_http_server_options *o = &c->server->o;
    if (c->head_over && !c->body_over)
        httpd_connection_deadline(c, wants_input(c) ? o->body_timeout_ns : 0);
    else if (c->begun && !c->head_over && !c->timed) {
        c->timed = true; /* from its first byte, however much comes */
        httpd_connection_deadline(c, o->header_timeout_ns);
    }
}

static void parse_rest(httpd_connection *c);

/* --- output ----------------------------------------------------------------------------------- */

static void on_flushed(void *arg, int64_t result) {
    httpd_connection *c = arg;
    if (result < 0)
        httpd_connection_close(c, (int32_t)result, true);
    else if (c->eof)
        parse_rest(c);
    else if (!c->held)
        httpd_connection_go_on(c);
}

int32_t httpd_connection_send(httpd_connection *c) {
    int64_t rc = 0;
    if (!c->stream)
        return c->error;
    if (c->out.end != 0)
        rc = evl_stream_write(c->stream, c->out.data, c->out.end);
    httpd_bytes_clear(&c->out);
    if (rc >= 0 && evl_stream_queued(c->stream) > 0 && !evl_op_active(&c->flushed))
        rc = evl_stream_flush(c->stream, &c->flushed);
    if (rc < 0)
        httpd_connection_close(c, (int32_t)rc, true);
    return rc < 0 ? (int32_t)rc : 0;
}

/* --- input ------------------------------------------------------------------------------------ */

bool httpd_connection_is_idle(const httpd_connection *c) { return !c->held && !c->finishing && !c->begun; }

static void dispatch(httpd_connection *c) {
    evl_http_server *s = c->server;
    c->held = true;
    httpd_connection_deadline(c, c->body_over ? 0 : s->o.body_timeout_ns);
    c->requests++;
    c->keep = httpd_parser_keep_alive(c->parser) && !s->stopping &&
              (s->o.max_requests == 0 || c->requests < s->o.max_requests);
    httpd_connection_ref(c); /* the program's */
    s->handler(s->arg, c);
}

static void on_head(httpd_connection *c) {
    int status = httpd_request_check(c);
    if (status != 0) {
        httpd_response_refuse(c, status);
        return;
    }
    c->head_over = true;
    c->body_over = httpd_parser_is_done(c->parser);
    if (c->body_over || (c->server->o.flags & EVL_HTTP_SERVER_STREAM))
        dispatch(c);
    else
        httpd_response_continue(c);
}

static void on_done(httpd_connection *c) {
    c->body_over = true;
    if (!c->held) {
        dispatch(c);
        return;
    }
    httpd_connection_deadline(c, 0);
    httpd_request_wake(c);
}

/* Line ends in front of a request are ignored. */
static size_t line_ends(const httpd_connection *c) {
    size_t n = 0;
    while (!c->begun && c->input_len - n >= 2 && memcmp(c->input + n, "\r\n", 2) == 0)
        n += 2;
    return n;
}

/* Of the stream's callback what was parsed is behind us when it returns; elsewhere it has to be removed. */
static void took(httpd_connection *c, size_t n) {
    c->input += n;
    c->input_len -= n;
    if (!c->in_data)
        (void)evl_stream_consume(c->stream, n);
}

/* Returns whether there may be more in what is there. */
static bool parse_some(httpd_connection *c) {
    size_t used = 0;
    took(c, line_ends(c));
    if (c->input_len == 0 || (!c->begun && c->input_len == 1 && c->input[0] == '\r'))
        return false;
    c->begun = true;
    int result = httpd_parser_put(c->parser, c->input, c->input_len, &used);
    took(c, used);
    if (result == HTTPD_HEAD)
        on_head(c);
    else if (result == HTTPD_DONE)
        on_done(c);
    else if (result != HTTPD_MORE)
        httpd_response_refuse(c, result);
    else if (c->input_len >= c->server->o.max_header_bytes)
        httpd_response_refuse(c, 431);
    return result == HTTPD_HEAD || result == HTTPD_DONE;
}

/* What is left lies in the stream. A client that sends on and on is held up. */
static void keep_input(httpd_connection *c) {
    size_t len = c->input_len;
    if (len != 0 && evl_stream_unread(c->stream, c->input, len) != 0) {
        httpd_connection_close(c, EVL_ENOMEM, true);
        return;
    }
    if (!wants_input(c) && (len >= HTTPD_MARK / 4 || !c->body_over)) {
        (void)evl_stream_pause(c->stream);
        c->paused = true;
    }
}

static void on_input(httpd_connection *c) {
    const void *data = NULL;
    c->input_len = (size_t)evl_stream_peek(c->stream, &data);
    c->input = data;
    while (wants_input(c) && parse_some(c)) {
    }
    if (c->stream && c->held && !c->body_over)
        httpd_request_wake(c);
    if (c->stream)
        keep_input(c);
    if (c->stream)
        httpd_connection_wait(c);
    c->input_len = 0;
}

/* The client has closed its side, and nothing is reported any more: what came before that. */
static void parse_rest(httpd_connection *c) {
    const void *data = NULL;
    httpd_connection_ref(c);
    do {
        int64_t len = c->stream ? evl_stream_peek(c->stream, &data) : 0;
        c->input_len = len > 0 ? (size_t)len : 0;
        c->input = data;
    } while (wants_input(c) && parse_some(c));
    c->input_len = 0;
    if (c->held && !c->body_over)
        (void)evl_waitq_wake(&c->reading, -1, EVL_EEOF);
    else if (c->stream && !c->held && !c->finishing && evl_stream_queued(c->stream) <= HTTPD_MARK)
        httpd_connection_close(c, EVL_EEOF, false);
    httpd_connection_unref(c);
}

static void on_eof(httpd_connection *c) {
    c->eof = true;
    (void)evl_waitq_wake(&c->gone, -1, 0);
    c->in_data = false;
    parse_rest(c);
}

static void on_data(void *arg, int64_t n) {
    httpd_connection *c = arg;
    httpd_connection_ref(c);
    c->in_data = true;
    if (n > 0)
        on_input(c);
    else if (n == 0)
        on_eof(c);
    else
        httpd_connection_close(c, (int32_t)n, true);
    c->in_data = false;
    if (c->stream)
        (void)httpd_connection_send(c);
    httpd_connection_unref(c);
}

void httpd_connection_go_on(httpd_connection *c) {
    const void *data;
    if (c->in_data || !c->stream)
        return;
    if (c->eof) {
        if (!evl_op_active(&c->flushed) && evl_stream_flush(c->stream, &c->flushed) != 0)
            httpd_connection_close(c, EVL_ENOMEM, true);
    } else if (c->paused || evl_stream_peek(c->stream, &data) > 0) {
        c->paused = false;
        (void)evl_stream_pause(c->stream);
        (void)evl_stream_resume(c->stream);
        httpd_connection_wait(c);
    }
}

/* --- its beginning ---------------------------------------------------------------------------- */

static int32_t set_up(httpd_connection *c) {
    evl_timer *timer;
    int32_t rc = evl_waitq_init(&c->reading, c->loop, NULL, NULL);
    if (rc == 0)
        rc = evl_waitq_init(&c->gone, c->loop, NULL, NULL);
    if (rc == 0)
        rc = evl_op_init(&c->flushed, on_flushed, c, 0);
    if (rc == 0)
        rc = httpd_response_init(c);
    if (rc == 0)
        rc = evl_timer_new(c->loop, on_timer, c, &timer);
    if (rc == 0)
        c->timer = evl_id(timer);
    return rc;
}

static int32_t take_over(httpd_connection *c, evl_stream *stream) {
    int32_t rc = evl_stream_set_write_timeout(stream, c->server->o.write_timeout_ns);
    if (rc == 0)
        rc = evl_set_drop(stream, drop);
    if (rc != 0)
        (void)evl_stream_pause(stream);
    return rc;
}

/* On an error nothing of the stream has changed that its owner could notice. */
static int32_t attach(httpd_connection *c, evl_stream *stream) {
    void *before = evl_arg(stream);
    int32_t rc = evl_set_arg(stream, c);
    if (rc != 0)
        return rc;
    rc = evl_stream_on_data(stream, on_data, c);
    if (rc == 0)
        rc = take_over(c, stream);
    if (rc != 0)
        (void)evl_set_arg(stream, before);
    return rc;
}

int32_t httpd_connection_new(evl_http_server *s, evl_stream *stream) {
    httpd_connection *c = calloc(1, sizeof *c);
    if (!c)
        return EVL_ENOMEM;
    c->refs = 1;
    c->loop = evl_loop_ref(s->loop);
    c->server = s;
    c->deadline = c->armed = EVL_NEVER;
    c->file_fd = -1;
    c->parser = httpd_parser_new(&httpd_request_events, c);
    int32_t rc = c->parser ? set_up(c) : EVL_ENOMEM;
    if (rc == 0)
        rc = attach(c, stream);
    if (rc != 0) {
        (void)evl_close(evl_lookup(c->loop, c->timer));
        httpd_connection_unref(c);
        return rc;
    }
    c->stream = stream;
    c->link.prev = s->connections.prev;
    c->link.next = &s->connections;
    c->link.prev->next = s->connections.prev = &c->link;
    s->count++;
    httpd_request_reset(c);
    httpd_response_reset(c);
    httpd_connection_deadline(c, s->o.header_timeout_ns);
    return 0;
}
