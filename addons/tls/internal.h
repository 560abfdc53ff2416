/* internal.h - what the files of libevloop-tls share. */
#ifndef EVLOOP_TLS_INTERNAL_H
#define EVLOOP_TLS_INTERNAL_H

#include <evloop/tls.h>

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

enum { TLS_SESSIONS_MAX = 64 };

/* A session that a server has given, to be resumed with the next connection to it. */
typedef struct tls_session {
    char *key; /* host and service; NULL: the place is free */
    SSL_SESSION *session;
} tls_session;

/* Another certificate of a server's. */
typedef struct tls_name {
    struct tls_name *next;
    evl_tls_context *context;
    char name[];
} tls_name;

struct evl_tls_context {
    atomic_int refs;
    uint32_t flags;
    SSL_CTX *ssl;
    tls_name *names;
    unsigned char *alpn; /* as it is sent: each name behind its length */
    unsigned alpn_len;
    pthread_mutex_t lock; /* of the sessions: connections of several threads share them */
    unsigned next_session;
    tls_session sessions[TLS_SESSIONS_MAX];
};

/* The transport of a stream. */
typedef struct tls {
    SSL *ssl;
    evl_tls_context *context;
    int fd;
    pid_t process;       /* whose connection it is: a child of a fork shares it */
    uint32_t want;       /* of the call that returned EVL_EAGAIN last */
    int32_t io_error;    /* what the kernel said, when OpenSSL only says that it failed */
    int32_t read_error;  /* 0, or what every read returns from now on */
    int32_t write_error; /* likewise */
    bool starting;       /* in tls_start: nothing is read yet */
    bool ready;          /* the handshake is over */
    bool asked;          /* the server wants a certificate, and there is none */
    bool ended;          /* the kernel has reported the end of what the peer sends */
    char *key;           /* of its session; NULL: it is not kept */
    char *alpn;          /* what was chosen, once asked for */
    char *early;         /* bytes that were read before TLS began */
    size_t early_len, early_at;
    char reason[120]; /* OpenSSL's words for the first failure */
} tls;

static inline bool tls_is_server(const evl_tls_context *context) {
    return (context->flags & EVL_TLS_SERVER) != 0;
}

/* bio.c: an SSL's way to the socket. */
bool tls_bio_attach(tls *t);

/* error.c: what a call of OpenSSL that has failed means. Empties OpenSSL's queue of errors. */
int32_t tls_error(tls *t);
/* The same for a call that reads a file. */
int32_t tls_file_error(void);

/* session.c */
void tls_sessions_begin(evl_tls_context *context);
void tls_sessions_end(evl_tls_context *context);
void tls_session_resume(tls *t);

/* alpn.c */
int32_t tls_alpn_begin(evl_tls_context *context, const char *names);

/* stream.c. `service` may be NULL. */
int32_t tls_make(int fd, evl_tls_context *context, const char *server_name, const char *service, tls **out);
void tls_free(tls *t);
int32_t tls_start(evl_loop *loop, tls *t, evl_stream **out);
tls *tls_of(const evl_stream *stream);
int32_t tls_check_name(const char *name);
int32_t tls_check_options(const evl_tls_context *context, const evl_tls_options *options);
int32_t tls_upgrade_as(evl_stream *plain, evl_tls_context *context, const char *server_name,
                       const char *service, evl_stream **out);

#endif
