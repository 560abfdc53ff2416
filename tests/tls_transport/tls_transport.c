/* tls_transport.c - TLS by OpenSSL, over the fd and over memory. */
#define _POSIX_C_SOURCE 200809L
#include "tls_transport.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#if !defined(MSG_NOSIGNAL)
#    define MSG_NOSIGNAL 0
#endif

typedef struct tls {
    SSL *ssl;
    int fd;
    BIO *in, *out; /* over memory: what has come, and what is to be sent */
    uint32_t want; /* of the call that returned EVL_EAGAIN last */
} tls;

/* What a call of OpenSSL that moved nothing means. */
static int32_t reason(tls *t, int rc) {
    int error = errno;
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        t->want = EVL_READ;
        return EVL_EAGAIN;
    case SSL_ERROR_WANT_WRITE:
        t->want = EVL_WRITE;
        return EVL_EAGAIN;
    case SSL_ERROR_ZERO_RETURN: /* the peer's close_notify */
        return 0;
    case SSL_ERROR_SYSCALL:
        return error != 0 ? evl_err_from_errno(error) : EVL_ECONNRESET;
    default:
#if defined(SSL_R_UNEXPECTED_EOF_WHILE_READING)
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return EVL_ECONNRESET; /* an end without close_notify may be an attacker's */
#endif
        return EVL_EPROTO;
    }
}

static int32_t failed(int error) {
    return error == EAGAIN || error == EWOULDBLOCK ? EVL_EAGAIN : evl_err_from_errno(error);
}

/* --- over the fd ------------------------------------------------------------------------------ */

static int64_t fd_read(void *self, void *buf, size_t cap) {
    tls *t = self;
    size_t n = 0;
    errno = 0;
    ERR_clear_error();
    int rc = SSL_read_ex(t->ssl, buf, cap, &n);
    return rc > 0 ? (int64_t)n : reason(t, rc);
}

static int64_t fd_write(void *self, const evl_buf *bufs, int32_t count) {
    tls *t = self;
    int64_t sum = 0;
    for (int32_t i = 0; i < count; i++) {
        size_t n = 0;
        if (bufs[i].len == 0)
            continue;
        errno = 0;
        ERR_clear_error();
        int rc = SSL_write_ex(t->ssl, bufs[i].data, bufs[i].len, &n);
        if (rc <= 0) {
            int32_t why = reason(t, rc);
            return sum > 0 ? sum : why != 0 ? why : EVL_EPIPE;
        }
        sum += (int64_t)n;
        if (n < bufs[i].len)
            break;
    }
    return sum;
}

static uint32_t tls_want(void *self) { return ((tls *)self)->want; }

static int32_t tls_shutdown(void *self) {
    tls *t = self;
    if (!SSL_is_init_finished(t->ssl)) /* nothing has been said that could end */
        return 0;
    errno = 0;
    ERR_clear_error();
    int rc = SSL_shutdown(t->ssl);
    return rc >= 0 ? 0 : reason(t, rc);
}

/* Without close_notify the peer knows that this is no clean end. */
static void tls_close(void *self, int32_t abort) {
    tls *t = self;
    (void)abort;
    SSL_free(t->ssl);
    (void)close(t->fd);
    free(t);
}

static const evl_transport over_fd = {.struct_size = sizeof(evl_transport),
                                      .try_read = fd_read,
                                      .try_write = fd_write,
                                      .want = tls_want,
                                      .shutdown = tls_shutdown,
                                      .close = tls_close};

/* --- over memory ------------------------------------------------------------------------------ */

static int32_t memory_flush(void *self) {
    tls *t = self;
    char *data;
    for (long held; (held = BIO_get_mem_data(t->out, &data)) > 0;) {
        ssize_t n = send(t->fd, data, (size_t)held, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        t->want = EVL_WRITE;
        if (n < 0)
            return failed(errno);
        char sent[16384];
        for (ssize_t gone = 0; gone < n;) {
            size_t part = (size_t)(n - gone) < sizeof sent ? (size_t)(n - gone) : sizeof sent;
            gone += BIO_read(t->out, sent, (int)part);
        }
    }
    return 0;
}

/* More for OpenSSL to read: how many bytes, EVL_EAGAIN, or an error, as the end is here. */
static int64_t receive(tls *t) {
    char bytes[16384];
    ssize_t n;
    do
        n = recv(t->fd, bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    t->want = EVL_READ;
    if (n <= 0)
        return n == 0 ? EVL_ECONNRESET : failed(errno);
    return BIO_write(t->in, bytes, (int)n) == n ? n : EVL_ENOMEM;
}

/* Writing may have to read, and reading to write: flush is called behind either. But OpenSSL must get what it
 * waits for in the call that wants it, for that is the one which is repeated. */
static int64_t memory_read(void *self, void *buf, size_t cap) {
    tls *t = self;
    for (;;) {
        int64_t n = fd_read(t, buf, cap);
        if (n == EVL_EAGAIN)
            n = receive(t);
        else
            return n;
        if (n < 0)
            return n;
    }
}

static int64_t memory_write(void *self, const evl_buf *bufs, int32_t count) {
    tls *t = self;
    for (;;) {
        int64_t n = fd_write(t, bufs, count);
        if (n == EVL_EAGAIN)
            n = receive(t);
        else
            return n;
        if (n < 0)
            return n;
    }
}

static const evl_transport over_memory = {.struct_size = sizeof(evl_transport),
                                          .try_read = memory_read,
                                          .try_write = memory_write,
                                          .want = tls_want,
                                          .shutdown = tls_shutdown,
                                          .close = tls_close,
                                          .flush = memory_flush};

/* --- making one ------------------------------------------------------------------------------- */

static int use_memory(tls *t) {
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (t->in && t->out) {
        BIO_set_mem_eof_return(t->in, -1);
        SSL_set_bio(t->ssl, t->in, t->out); /* they are its own now */
        return 1;
    }
    BIO_free(t->in);
    BIO_free(t->out);
    return 0;
}

int32_t tls_open(evl_loop *loop, evl_fd fd, SSL_CTX *context, enum tls_side side, enum tls_way way,
                 evl_stream **out) {
    tls *t = calloc(1, sizeof *t);
    SSL *ssl = t ? SSL_new(context) : NULL;
    int ready = 0;
    if (ssl) {
        t->ssl = ssl;
        t->fd = fd;
        SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        if (side == TLS_SERVER)
            SSL_set_accept_state(ssl);
        else
            SSL_set_connect_state(ssl);
        ready = way == TLS_OVER_MEMORY ? use_memory(t) : SSL_set_fd(ssl, fd) == 1;
    }
    int32_t rc = ready
                     ? evl_stream_open_on(loop, fd, way == TLS_OVER_MEMORY ? &over_memory : &over_fd, t, out)
                     : EVL_ENOMEM;
    if (rc != 0) {
        SSL_free(ssl);
        free(t);
    }
    return rc;
}

SSL_CTX *tls_self_signed(void) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate = X509_new();
    int good = context && key && certificate;
    if (good) {
        X509_NAME *name = X509_get_subject_name(certificate);
        good = ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
               X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
               X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) != NULL &&
               X509_set_pubkey(certificate, key) &&
               X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
                                          -1, 0) &&
               X509_set_issuer_name(certificate, name) && X509_sign(certificate, key, EVP_sha256()) > 0 &&
               SSL_CTX_use_certificate(context, certificate) == 1 &&
               SSL_CTX_use_PrivateKey(context, key) == 1;
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    if (!good) {
        SSL_CTX_free(context);
        context = NULL;
    }
    return context;
}
