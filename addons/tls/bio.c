/* bio.c - OpenSSL's way to the socket: its own would raise SIGPIPE, and forgets the error's number. */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#if !defined(MSG_NOSIGNAL)
#    define MSG_NOSIGNAL 0
#endif

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int take_early(tls *t, void *buf, size_t cap) {
    size_t left = t->early_len - t->early_at, n = left < cap ? left : cap;
    memcpy(buf, t->early + t->early_at, n);
    t->early_at += n;
    return (int)n;
}

static int bio_read(BIO *bio, char *buf, int cap) {
    tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (t->starting) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (t->early_at < t->early_len)
        return take_early(t, buf, (size_t)cap);
    ssize_t n;
    do
        n = recv(t->fd, buf, (size_t)cap, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        t->ended = true;
    else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(bio);
    else if (n < 0)
        t->io_error = evl_err_from_errno(errno);
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len) {
    tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n;
    do
        n = send(t->fd, data, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_write(bio);
    else if (n < 0)
        t->io_error = evl_err_from_errno(errno);
    return (int)n;
}

static long bio_control(BIO *bio, int what, long number, void *pointer) {
    (void)number;
    (void)pointer;
    const tls *t = BIO_get_data(bio);
    return what == BIO_CTRL_FLUSH ? 1 : what == BIO_CTRL_EOF ? t->ended : 0;
}

static void make_method(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "evloop socket");
    if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
        BIO_meth_set_ctrl(m, bio_control))
        method = m;
    else
        BIO_meth_free(m);
}

bool tls_bio_attach(tls *t) {
    BIO *bio = pthread_once(&once, make_method) == 0 && method ? BIO_new(method) : NULL;
    if (!bio)
        return false;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    return true;
}
