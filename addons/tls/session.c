/* session.c - sessions that clients resume: the last one of each server. A server keeps none, it gives
 * tickets. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static tls_session *find(evl_tls_context *context, const char *key) {
    for (int i = 0; i < TLS_SESSIONS_MAX; i++)
        if (context->sessions[i].key && strcmp(context->sessions[i].key, key) == 0)
            return &context->sessions[i];
    return NULL;
}

static void forget(tls_session *s) {
    free(s->key);
    SSL_SESSION_free(s->session);
    *s = (tls_session){0};
}

/* OpenSSL calls this while it reads: a server of TLS 1.3 sends tickets behind the handshake. */
static int keep(SSL *ssl, SSL_SESSION *session) {
    const tls *t = SSL_get_app_data(ssl);
    char *key = t->key ? strdup(t->key) : NULL;
    if (!key)
        return 0;
    evl_tls_context *context = t->context;
    pthread_mutex_lock(&context->lock);
    tls_session *place = find(context, key);
    if (!place)
        place = &context->sessions[context->next_session++ % TLS_SESSIONS_MAX];
    forget(place);
    *place = (tls_session){key, session};
    pthread_mutex_unlock(&context->lock);
    return 1; /* the reference is ours */
}

void tls_sessions_begin(evl_tls_context *context) {
    bool never = (context->flags & EVL_TLS_NO_SESSIONS) != 0;
    if (tls_is_server(context)) {
        SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
        if (never) {
            SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
            SSL_CTX_set_num_tickets(context->ssl, 0);
        }
        return;
    }
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    if (!never)
        SSL_CTX_sess_set_new_cb(context->ssl, keep);
}

void tls_sessions_end(evl_tls_context *context) {
    for (int i = 0; i < TLS_SESSIONS_MAX; i++)
        forget(&context->sessions[i]);
}

/* A ticket of TLS 1.3 is used once, so that two connections cannot be linked by it. */
void tls_session_resume(tls *t) {
    evl_tls_context *context = t->context;
    pthread_mutex_lock(&context->lock);
    tls_session *found = find(context, t->key);
    if (found) {
        SSL_set_session(t->ssl, found->session);
        if (SSL_SESSION_get_protocol_version(found->session) >= TLS1_3_VERSION)
            forget(found);
    }
    pthread_mutex_unlock(&context->lock);
}
