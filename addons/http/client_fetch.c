/* client_fetch.c - a fetch from the line to its end. */
#include "client.h"

static bool is_under_way(const evl_http_request *r) {
    return r->state == HTTP_IN_LINE || r->state == HTTP_ACTIVE;
}

/* --- time limit of a stall -------------------------------------------------------------------- */

static void stalled(void *arg, int64_t n) {
    (void)n;
    http_end(arg, EVL_ETIMEDOUT);
}

/* Something has come or gone. */
void http_touch(evl_http_request *r) {
    evl_loop *loop = r->session->loop;
    if (r->stall_ns != 0)
        (void)evl_timer_start_in(evl_lookup(loop, r->stall), r->stall_ns, 0);
}

/* The program has to read or to write. */
void http_stall_off(evl_http_request *r) {
    if (r->stall_ns != 0)
        (void)evl_timer_stop(evl_lookup(r->session->loop, r->stall));
}

static int32_t make_stall_timer(evl_http_request *r) {
    evl_timer *timer;
    if (r->stall_ns == 0 || r->stall != 0)
        return 0;
    int32_t rc = evl_timer_new(r->session->loop, stalled, r, &timer);
    (void)evl_keep_alive(timer, 0);
    r->stall = evl_id(timer);
    return rc;
}

/* Connected; the request is about to be sent. */
static int on_connected(void *arg, char *to, char *from, int to_port, int from_port) {
    (void)to, (void)from, (void)to_port, (void)from_port;
    http_touch(arg);
    return CURL_PREREQFUNC_OK;
}

void http_fetch_prepare(evl_http_request *r) {
    (void)curl_easy_setopt(r->easy, CURLOPT_PREREQFUNCTION, on_connected);
    (void)curl_easy_setopt(r->easy, CURLOPT_PREREQDATA, r);
}

/* --- the end ---------------------------------------------------------------------------------- */

void http_finish(evl_http_request *r, int32_t error) {
    evl_http_session *s = r->session;
    if (r->state == HTTP_ACTIVE) {
        (void)curl_multi_remove_handle(s->multi, r->easy);
        s->active_count--;
    }
    http_list_remove(&r->link);
    r->state = HTTP_OVER;
    r->error = error;
    http_stall_off(r);
    (void)evl_op_close(&r->left);
    (void)evl_waitq_wake(&r->fetching, -1, error != 0 ? error : r->status);
    (void)evl_waitq_wake(&r->reading, -1, error);
    (void)evl_waitq_wake(&r->draining, -1, error != 0 ? error : EVL_EPIPE);
}

/* Also of one that is over, or was never fetched: what waits is woken. */
void http_end(evl_http_request *r, int32_t error) {
    if (is_under_way(r)) {
        http_finish(r, error);
        http_admit(r->session);
    } else
        (void)evl_waitq_wake(&r->draining, -1, error);
}

/* The operation of a fetch was cancelled or closed, or its time is over. */
static void left(void *arg, int64_t n) {
    (void)n;
    http_end(arg, EVL_ECANCELED);
}

void evl_http_abort(evl_http_request *r) {
    if (r && is_under_way(r))
        http_end(r, EVL_ECANCELED);
}

/* What a callback could not tell libcurl, whose sockets were not watched. */
static void end_failed(evl_http_session *s) {
    s->failing = false;
    for (http_link *l = s->active.next, *next; l != &s->active; l = next) {
        evl_http_request *r = (evl_http_request *)(void *)l;
        next = l->next;
        if (r->own_error != 0)
            http_finish(r, r->own_error);
    }
}

/* For libcurl a connection that ends in the middle of the headers has ended them. */
static int32_t outcome(const evl_http_request *r, CURLcode code) {
    if (r->own_error != 0)
        return r->own_error;
    return code == CURLE_OK && !r->head_over ? EVL_EHTTP_TRUNCATED : http_error(r, code);
}

void http_collect(evl_http_session *s) {
    CURLMsg *message;
    int more;
    while (s->multi && (message = curl_multi_info_read(s->multi, &more))) {
        evl_http_request *r = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        http_finish(r, outcome(r, code));
    }
    if (s->failing)
        end_failed(s);
    http_admit(s);
}

/* Reading or writing goes on, or both. libcurl may call for what it has kept at once. */
void http_resume(evl_http_request *r) {
    if (r->state != HTTP_ACTIVE)
        return;
    http_touch(r);
    CURLcode rc = curl_easy_pause(r->easy, (r->receive_paused ? CURLPAUSE_RECV : 0) |
                                               (r->send_paused ? CURLPAUSE_SEND : 0));
    if (rc != CURLE_OK)
        http_end(r, r->own_error != 0 ? r->own_error : http_error(r, rc));
}

/* --- the beginning ---------------------------------------------------------------------------- */

int32_t http_fetch_init(evl_http_request *r) {
    evl_loop *loop = r->session->loop;
    int32_t rc = evl_waitq_init(&r->fetching, loop, NULL, NULL);
    if (rc == 0)
        rc = evl_waitq_init(&r->reading, loop, NULL, NULL);
    if (rc == 0)
        rc = evl_waitq_init(&r->draining, loop, NULL, NULL);
    return rc == 0 ? evl_op_init(&r->left, left, r, 0) : rc;
}

static void start(evl_http_request *r) {
    evl_http_session *s = r->session;
    http_list_remove(&r->link);
    http_list_add(&s->active, &r->link);
    if (curl_multi_add_handle(s->multi, r->easy) != CURLM_OK) {
        http_finish(r, EVL_ENOMEM);
        return;
    }
    r->state = HTTP_ACTIVE;
    s->active_count++;
}

/* In the order in which they came, for as long as there is room. */
void http_admit(evl_http_session *s) {
    uint32_t max = s->o.max_fetches;
    while (s->multi && s->line.next != &s->line && (max == 0 || s->active_count < max))
        start((evl_http_request *)(void *)s->line.next);
}

static void begin_again(evl_http_request *r) {
    http_headers_clear(r);
    http_bytes_drop(&r->body, http_bytes_size(&r->body));
    r->error = r->own_error = r->status = 0;
    r->body_seen = 0;
    r->receive_paused = r->send_paused = false;
    r->reason[0] = '\0';
    r->sent = 0;
    if (r->uploaded && r->state == HTTP_OVER) {
        http_bytes_drop(&r->upload, http_bytes_size(&r->upload));
        r->upload_ended = false;
    }
}

int32_t evl_http_fetch(evl_http_request *r, evl_op *op) {
    if (!r)
        return EVL_EINVAL;
    int32_t rc = http_session_check(r->session);
    if (rc != 0)
        return rc;
    if (is_under_way(r) && !r->headers_over && evl_waitq_count(&r->fetching) == 0)
        http_end(r, EVL_ECANCELED); /* its operation has left, which is queued to be said */
    if (is_under_way(r))
        return EVL_EBUSY;
    rc = make_stall_timer(r);
    if (rc == 0)
        rc = evl_waitq_park(&r->fetching, op);
    if (rc != 0)
        return rc;
    (void)evl_waitq_on_leave(&r->fetching, &r->left);
    begin_again(r);
    r->state = HTTP_IN_LINE;
    http_list_add(&r->session->line, &r->link);
    http_admit(r->session);
    return 0;
}
