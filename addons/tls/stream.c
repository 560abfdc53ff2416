/* stream.c - a stream's transport by OpenSSL, and making one. */
#include "internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the transport ---------------------------------------------------------------------------- */

/* Behind an error of TLS itself OpenSSL does nothing more, and in the handshake no error is one side's alone.
 */
static void fail(tls *t, bool of_tls, int32_t rc) {
    if (of_tls || !t->ready)
        t->read_error = t->write_error = rc;
}

/* What a call of OpenSSL that moved nothing means: EVL_EAGAIN, 0 for the peer's close_notify, or an error. */
static int32_t outcome(tls *t, int rc) {
    int error = SSL_get_error(t->ssl, rc);
    switch (error) {
    case SSL_ERROR_WANT_READ:
        t->want = EVL_READ;
        return EVL_EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        t->want = EVL_WRITE;
        return EVL_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        if (t->ready)
            return 0;
        fail(t, true, EVL_ETLS_TRUNCATED);
        return EVL_ETLS_TRUNCATED;
    default:
        rc = tls_error(t);
        fail(t, error == SSL_ERROR_SSL, rc);
        return rc;
    }
}

/* Any call may end the handshake. */
static void note(tls *t) { t->ready = t->ready || SSL_is_init_finished(t->ssl); }

/* OpenSSL reads its queue of errors to tell what has happened. */
static void before(tls *t) {
    ERR_clear_error();
    t->io_error = 0;
}

static int64_t tls_read(void *self, void *buf, size_t cap) {
    tls *t = self;
    size_t n = 0;
    if (t->starting) {
        t->want = EVL_READ;
        return EVL_EAGAIN;
    }
    if (t->read_error != 0)
        return t->read_error;
    before(t);
    int ok = SSL_read_ex(t->ssl, buf, cap, &n);
    int32_t rc = ok ? 0 : outcome(t, ok);
    note(t);
    if (rc < 0 && rc != EVL_EAGAIN)
        t->read_error = rc;
    return ok ? (int64_t)n : rc;
}

static int64_t tls_write(void *self, const evl_buf *bufs, int32_t count) {
    tls *t = self;
    int64_t sum = 0;
    int32_t rc = t->write_error;
    for (int32_t i = 0; i < count && rc == 0; i++) {
        size_t n = 0;
        if (bufs[i].len == 0)
            continue;
        before(t);
        int ok = SSL_write_ex(t->ssl, bufs[i].data, bufs[i].len, &n);
        rc = ok ? 0 : outcome(t, ok);
        note(t);
        sum += (int64_t)n;
        if (n < bufs[i].len)
            break;
    }
    if (rc < 0 && rc != EVL_EAGAIN)
        t->write_error = rc;
    return sum > 0 ? sum : rc;
}

static uint32_t tls_want(void *self) { return ((const tls *)self)->want; }

/* The handshake belongs to the writing side, as bytes that are still to be sent: so writes are queued, and a
 * flush waits, until it is over. */
static int32_t tls_flush(void *self) {
    tls *t = self;
    if (t->ready || t->write_error != 0)
        return t->write_error;
    before(t);
    int ok = SSL_do_handshake(t->ssl);
    int32_t rc = ok == 1 ? 0 : outcome(t, ok);
    note(t);
    return rc;
}

static int32_t tls_shutdown(void *self) {
    tls *t = self;
    if (!t->ready || t->write_error != 0) /* nothing has been said that could end */
        return t->write_error;
    before(t);
    int rc = SSL_shutdown(t->ssl);
    return rc >= 0 ? 0 : outcome(t, rc);
}

void tls_free(tls *t) {
    if (!t)
        return;
    if (t->ready && t->read_error == 0 &&
        t->write_error == 0) /* else OpenSSL would never resume its session */
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(t->ssl);
    evl_tls_context_unref(t->context);
    free(t->key);
    free(t->alpn);
    free(t->early);
    free(t);
}

/* Without close_notify the peer knows that this is no clean end. What the kernel has is discarded, too, as a
 * stream does that is aborted; but not an alert that says why, and not what another process goes on using. */
static void tls_close(void *self, int32_t abort) {
    tls *t = self;
    const struct linger reset = {.l_onoff = 1};
    if (abort && t->ready && t->read_error == 0 && t->write_error == 0 && t->process == getpid())
        (void)setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    (void)close(t->fd);
    tls_free(t);
}

static const evl_transport transport = {.struct_size = sizeof(evl_transport),
                                        .try_read = tls_read,
                                        .try_write = tls_write,
                                        .want = tls_want,
                                        .shutdown = tls_shutdown,
                                        .close = tls_close,
                                        .flush = tls_flush};

tls *tls_of(const evl_stream *stream) { return evl_stream_transport(stream, &transport); }

/* --- making one ------------------------------------------------------------------------------- */

static char *join(const char *name, const char *service) {
    size_t size = strlen(name) + (service ? strlen(service) : 0) + 2;
    char *key = malloc(size);
    if (key) {
        OPENSSL_strlcpy(key, name, size);
        OPENSSL_strlcat(key, " ", size);
        OPENSSL_strlcat(key, service ? service : "", size);
    }
    return key;
}

/* Whom the client wants to talk to: an address is compared, a name is also sent. */
static bool set_server(tls *t, const char *name) {
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(name);
    if (ip) {
        ASN1_OCTET_STRING_free(ip);
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    }
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(t->ssl, name) == 1 && SSL_set_tlsext_host_name(t->ssl, name) == 1;
}

static bool begin_client(tls *t, const char *server_name, const char *service) {
    SSL_set_connect_state(t->ssl);
    if (!server_name)
        return true;
    if (!set_server(t, server_name))
        return false;
    t->key = join(server_name, service);
    if (!t->key)
        return false;
    if (!(t->context->flags & EVL_TLS_NO_SESSIONS))
        tls_session_resume(t);
    return true;
}

int32_t tls_make(int fd, evl_tls_context *context, const char *server_name, const char *service, tls **out) {
    tls *t = calloc(1, sizeof *t);
    if (!t)
        return EVL_ENOMEM;
    t->fd = fd;
    t->process = getpid();
    t->starting = true;
    t->context = evl_tls_context_ref(context);
    t->ssl = SSL_new(context->ssl);
    bool good = t->ssl && SSL_set_app_data(t->ssl, t) && tls_bio_attach(t);
    if (good && tls_is_server(context))
        SSL_set_accept_state(t->ssl);
    else if (good)
        good = begin_client(t, server_name, service);
    ERR_clear_error();
    if (!good) {
        tls_free(t);
        return EVL_ENOMEM;
    }
    *out = t;
    return 0;
}

/* A first read, which gets nothing, lets the stream flush the transport: that begins the handshake, and the
 * stream flushes again when something comes. Nothing is read here: behind this flush no read is repeated, and
 * a fast peer's first bytes would lie unseen in OpenSSL. */
static void begin_handshake(tls *t, evl_stream *stream) {
    char none;
    (void)evl_stream_try_read(stream, &none, sizeof none);
    t->starting = false;
}

int32_t tls_start(evl_loop *loop, tls *t, evl_stream **out) {
    int32_t rc = evl_stream_open_on(loop, t->fd, &transport, t, out);
    if (rc == 0)
        begin_handshake(t, *out);
    return rc;
}

int32_t tls_check_options(const evl_tls_context *context, const evl_tls_options *options) {
    if (!context || (options && (options->struct_size < sizeof *options || options->flags != 0)))
        return EVL_EINVAL;
    return 0;
}

/* What OpenSSL could only call a failure. */
int32_t tls_check_name(const char *name) {
    size_t len = strlen(name);
    return len > 0 && len <= TLSEXT_MAXLEN_host_name ? 0 : EVL_EINVAL;
}

/* The name that has to be verified; NULL where none has. */
static int32_t server_name_of(const evl_tls_context *context, const evl_tls_options *options,
                              const char **out) {
    int32_t rc = tls_check_options(context, options);
    if (rc != 0)
        return rc;
    *out = options ? options->server_name : NULL;
    if (!*out)
        return context->flags & (EVL_TLS_SERVER | EVL_TLS_INSECURE) ? 0 : EVL_EINVAL;
    return tls_check_name(*out);
}

int32_t evl_tls_open(evl_loop *loop, evl_fd fd, evl_tls_context *context, const evl_tls_options *options,
                     evl_stream **out) {
    const char *name;
    tls *t;
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    int32_t rc = server_name_of(context, options, &name);
    if (rc == 0)
        rc = tls_make(fd, context, name, NULL, &t);
    if (rc != 0)
        return rc;
    rc = tls_start(loop, t, out);
    if (rc != 0)
        tls_free(t);
    return rc;
}

/* --- upgrading -------------------------------------------------------------------------------- */

enum { EARLY_MAX = 65536 };

/* The unread bytes are for TLS. */
static int32_t copy_early(evl_stream *plain, tls *t) {
    const void *data;
    int64_t len = evl_stream_peek(plain, &data);
    if (len <= 0)
        return (int32_t)len;
    if (len > EARLY_MAX)
        return EVL_ENOBUFS;
    t->early = malloc((size_t)len);
    if (!t->early)
        return EVL_ENOMEM;
    memcpy(t->early, data, (size_t)len);
    t->early_len = (size_t)len;
    return 0;
}

int32_t tls_upgrade_as(evl_stream *plain, evl_tls_context *context, const char *server_name,
                       const char *service, evl_stream **out) {
    tls *t;
    evl_stream_info info = {.struct_size = sizeof info};
    int32_t rc = evl_stream_get_info(plain, &info);
    if (rc == 0 && info.family == 0)
        rc = EVL_EPROTOTYPE;
    if (rc == 0)
        rc = tls_make(info.fd, context, server_name, service, &t);
    if (rc == 0) {
        rc = copy_early(plain, t);
        if (rc == 0)
            rc = evl_stream_open_over(plain, &transport, t, out);
        if (rc == 0)
            begin_handshake(t, *out);
        else
            tls_free(t);
    }
    if (rc == EVL_ENOMEM) /* with or without the fd: the caller needs to know which */
        (void)evl_stream_abort(plain);
    return rc;
}

int32_t evl_tls_upgrade(evl_stream *plain, evl_tls_context *context, const evl_tls_options *options,
                        evl_stream **out) {
    const char *name;
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    int32_t rc = plain ? server_name_of(context, options, &name) : EVL_EINVAL;
    return rc != 0 ? rc : tls_upgrade_as(plain, context, name, NULL, out);
}

int32_t evl_tls_accept(evl_server *server, evl_tls_context *context, const evl_tls_options *options,
                       evl_stream **out) {
    evl_stream *plain;
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    int32_t rc = tls_check_options(context, options);
    if (rc == 0 && !tls_is_server(context))
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = evl_server_accept(server, &plain);
    if (rc != 0)
        return rc;
    rc = evl_tls_upgrade(plain, context, options, out);
    if (rc != 0 && rc != EVL_ENOMEM)
        (void)evl_stream_abort(plain);
    return rc;
}

int32_t evl_tls_handshake(evl_stream *stream, evl_op *op) {
    return tls_of(stream) ? evl_stream_flush(stream, op) : EVL_EINVAL;
}
