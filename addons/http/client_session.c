/* client_session.c - what requests have in common, and its end. */
#include "client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool http_session_is_foreign(const evl_http_session *s) { return s->process != getpid(); }

int32_t http_session_check(const evl_http_session *s) {
    if (http_session_is_foreign(s))
        return EVL_EFORK;
    return s->multi ? 0 : EVL_ECLOSED;
}

/* --- making one ------------------------------------------------------------------------------- */

/* Once for the process, and for as long as it lasts: libcurl cannot tell who else uses it. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global;

static void begin(void) { global = curl_global_init(CURL_GLOBAL_DEFAULT); }

enum { KNOWN = EVL_HTTP_COOKIES | EVL_HTTP_INSECURE | EVL_HTTP_1_ONLY | EVL_HTTP_PLAIN };

static int32_t check(const evl_http_session_options *o) {
    if (o->struct_size < sizeof *o || o->flags & ~(uint32_t)KNOWN || o->reserved != 0)
        return EVL_EINVAL;
    if (o->user_agent && strpbrk(o->user_agent, "\r\n")) /* another header would begin there */
        return EVL_EINVAL;
    return o->connect_timeout_ns < 0 || o->stall_timeout_ns < 0 || o->timeout_ns < 0 ? EVL_EINVAL : 0;
}

enum { TEXTS = 7 };

static void texts_of(evl_http_session_options *o, const char **texts[TEXTS]) {
    const char **all[TEXTS] = {&o->proxy,       &o->no_proxy, &o->ca_file,   &o->ca_path,
                               &o->certificate, &o->key,      &o->user_agent};
    memcpy(texts, all, sizeof all);
}

static void free_texts(evl_http_session_options *o) {
    const char **texts[TEXTS];
    texts_of(o, texts);
    for (int i = 0; i < TEXTS; i++)
        free((void *)(uintptr_t)*texts[i]);
}

/* Of the session's options, which are a copy so far of the pointers only. */
static int32_t copy_texts(evl_http_session_options *o) {
    const char **texts[TEXTS];
    bool good = true;
    texts_of(o, texts);
    for (int i = 0; i < TEXTS; i++)
        if (*texts[i]) {
            *texts[i] = strdup(*texts[i]);
            good = good && *texts[i];
        }
    return good ? 0 : EVL_ENOMEM;
}

static int32_t open_share(evl_http_session *s) {
    s->share = curl_share_init();
    if (!s->share)
        return EVL_ENOMEM;
    (void)curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    if (s->o.flags & EVL_HTTP_COOKIES)
        (void)curl_share_setopt(s->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    return 0;
}

int32_t evl_http_session_new(evl_loop *loop, const evl_http_session_options *options,
                             evl_http_session **out) {
    static const evl_http_session_options defaults = {.struct_size = sizeof defaults};
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    if (!options)
        options = &defaults;
    int32_t rc = loop ? check(options) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    (void)pthread_once(&once, begin);
    evl_http_session *s = global == CURLE_OK ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return EVL_ENOMEM;
    s->refs = 1;
    s->loop = evl_loop_ref(loop);
    s->process = getpid();
    http_list_init(&s->active);
    http_list_init(&s->line);
    s->o = *options;
    rc = copy_texts(&s->o);
    if (rc == 0)
        rc = open_share(s);
    if (rc == 0)
        rc = http_multi_open(s);
    if (rc == 0)
        rc = http_sockets_begin(s);
    if (rc == 0)
        *out = s;
    else
        evl_http_session_close(s);
    return rc;
}

/* --- its end ---------------------------------------------------------------------------------- */

static void end_all(http_link *list, int32_t error) {
    while (list->next != list)
        http_finish((evl_http_request *)(void *)list->next, error);
}

/* The connections go; requests stay. */
void http_session_end(evl_http_session *s, int32_t error) {
    if (!s->multi)
        return;
    if (http_session_is_foreign(s))
        http_sockets_abandon(s);
    end_all(&s->line, error);
    end_all(&s->active, error);
    http_multi_close(s);
}

void http_session_unref(evl_http_session *s) {
    if (--s->refs != 0)
        return;
    if (s->multi)
        http_multi_close(s);
    (void)curl_share_cleanup(s->share);
    free_texts(&s->o);
    free(s->sockets);
    evl_loop_unref(s->loop);
    free(s);
}

void evl_http_session_close(evl_http_session *s) {
    if (!s)
        return;
    http_session_end(s, EVL_ECLOSED);
    (void)evl_close(evl_lookup(s->loop, s->timer));
    http_session_unref(s);
}

int32_t evl_http_session_fork(evl_http_session *s) {
    if (!s)
        return EVL_EINVAL;
    if (!http_session_is_foreign(s))
        return 0;
    bool open = s->multi != NULL;
    http_session_end(s, EVL_EFORK);
    s->process = getpid();
    return open ? http_multi_open(s) : 0;
}

evl_loop *evl_http_session_loop(const evl_http_session *s) { return s && s->multi ? s->loop : NULL; }
