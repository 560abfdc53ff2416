/* evloop/server.h - servers: what listens, and the streams it accepts. */
#ifndef EVLOOP_SERVER_H
#define EVLOOP_SERVER_H

#include "names.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* evl_server_options.flags. REUSE_PORT: several sockets may listen on the port, a loop on each thread, or
 * processes. KEEP_PATH: a Unix path is not removed at the end. SHARED: other processes or loops accept from
 * the same sockets; where the kernel can (epoll), a connection wakes one of them and not all. */
enum { EVL_SERVER_REUSE_PORT = 1, EVL_SERVER_KEEP_PATH = 2, EVL_SERVER_SHARED = 4 };

/* What to do when there is no room for one more fd. */
enum {
    EVL_ACCEPT_PAUSE = 0, /* stop accepting and try again, after 5 ms at first and 1 s at most; they are real,
                             whatever the loop's clock */
    EVL_ACCEPT_SHED = 1,  /* accept with an fd that is kept back for that, and close at once */
    EVL_ACCEPT_REPORT = 2 /* evl_server_accept answers the error, and the operation completes with it */
};

/* Set struct_size before the call; 0 in a field is its default. */
typedef struct evl_server_options {
    uint32_t struct_size;
    uint32_t flags;           /* EVL_SERVER_* */
    int32_t backlog;          /* 511 */
    uint32_t max_connections; /* no more than these are accepted at a time; closed ones that linger do not
                                 count, nor do those that evl_stream_detach took out; 0: no limit */
    int32_t at_fd_limit;      /* EVL_ACCEPT_* */
    uint32_t reserved;        /* 0 */
    int64_t linger_ns;        /* of the streams it accepts, as evl_options.linger_ns; 0: what that is */
} evl_server_options;

/* Listens on a host's addresses, one socket for each. host: NULL for all of the machine, a literal address,
 * or "localhost"; other names have to be looked up first, see evl_server_listen_any. service: a port number,
 * NULL or "0" for any port, the same for all sockets. IPv6 sockets take no IPv4; an address that the machine
 * does not have is left out unless it is the last. Nothing is accepted before evl_server_on_connection or
 * evl_server_accept_op. Errors: EVL_EADDRINUSE, EVL_EADDRNOTAVAIL, EVL_EACCES, EVL_EAI_NONAME (a name),
 * EVL_EAI_SERVICE, EVL_EMFILE, EVL_EINVAL, EVL_ENOMEM; nothing is left open. @since 0.1 */
EVL_API int32_t evl_server_listen(evl_loop *loop, const char *host, const char *service,
                                  const evl_server_options *options, evl_server **out);

/* The same on addresses: those of a list, where one that stands there twice is one socket; on one; or on a
 * Unix path ("@name": an abstract one). A path whose socket nobody has open any more is replaced, and who
 * has it open does not notice that it was asked for; at the end the path is removed if it still is ours.
 * @since 0.1 */
EVL_API int32_t evl_server_listen_any(evl_loop *loop, const evl_addresses *addresses,
                                      const evl_server_options *options, evl_server **out);
EVL_API int32_t evl_server_listen_on(evl_loop *loop, const void *address, uint32_t length,
                                     const evl_server_options *options, evl_server **out);
EVL_API int32_t evl_server_listen_unix(evl_loop *loop, const char *path, const evl_server_options *options,
                                       evl_server **out);

/* The same on sockets that are bound and listen already: inherited, or passed by a service manager. They are
 * the server's from now on. On an error they are the caller's. Errors: EVL_EINVAL (does not listen),
 * EVL_ENOTSOCK, EVL_EBADF, EVL_EEXIST. @since 0.1 */
EVL_API int32_t evl_server_listen_fds(evl_loop *loop, const evl_fd *fds, int32_t n,
                                      const evl_server_options *options, evl_server **out);

/* The sockets that a service manager passed to this process in LISTEN_PID and LISTEN_FDS, as systemd does,
 * for evl_server_listen_fds: fills in up to cap fds, makes them close-on-exec, and answers how many there
 * are; 0: none were passed. The environment stays as it is. Errors: EVL_EBADF (the environment speaks of fds
 * that are not open), EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_passed_fds(evl_fd *fds, int32_t cap);

/* fn(arg, 1) is called in every pass in which connections wait: take them with evl_server_accept until it
 * answers EVL_EAGAIN; what is left stays for the next pass. fn(arg, error) says that nothing will come any
 * more. fn NULL: records of EVL_KIND_SERVER with arg as user_data. Keeps the loop alive. The handle's own
 * argument (evl_arg), which a drop gets, is another and stays as it is. Errors: EVL_ECLOSED (it has stopped).
 * @since 0.1 */
EVL_API int32_t evl_server_on_connection(evl_server *server, evl_done_fn *fn, void *arg);

/* Takes a connection that waits. EVL_EAGAIN: there is none, or 32 have been taken in this pass, or accepting
 * is paused. EVL_ECLOSED: the server has stopped, or its last socket is lost. The stream is the caller's to
 * close, and lives on when the server is closed. Also answers, once, why one of several sockets was lost (the
 * kernel would not watch it); the others go on. @since 0.1 */
EVL_API int32_t evl_server_accept(evl_server *server, evl_stream **out);

/* The same as an operation: completes with 0, and has then stored the stream in *out. Any number may wait.
 * EVL_ECLOSED when the server stops. Errors: EVL_EBUSY, EVL_EINVAL, EVL_ECLOSED. @since 0.1 */
EVL_API int32_t evl_server_accept_op(evl_server *server, evl_op *op, evl_stream **out);

/* Pauses and resumes accepting; who connects meanwhile waits in the kernel's backlog. @since 0.1 */
EVL_API int32_t evl_server_pause(evl_server *server);
EVL_API int32_t evl_server_resume(evl_server *server);

/* Closes the listening sockets; the connections live on. Calling it twice is no error. evl_close does the
 * same and ends the handle. @since 0.1 */
EVL_API int32_t evl_server_stop(evl_server *server);

/* Closes (evl_close) or aborts (evl_stream_abort) every connection that it accepted and that is still open.
 * Answers how many. @since 0.1 */
EVL_API int32_t evl_server_close_clients(evl_server *server);
EVL_API int32_t evl_server_abort_clients(evl_server *server);

/* Completes with 0 when the server has stopped and the last of its connections is gone, lingering ones
 * included. EVL_ECLOSED when the handle is closed before. @since 0.1 */
EVL_API int32_t evl_server_on_idle(evl_server *server, evl_op *op);

/* How many sockets listen; 0 after evl_server_stop. The n-th's fd, and its address: as evl_stream_local.
 * @since 0.1 */
EVL_API int32_t evl_server_sockets(const evl_server *server);
EVL_API evl_fd evl_server_fd(const evl_server *server, int32_t n);
EVL_API int32_t evl_server_local(const evl_server *server, int32_t n, void *address, size_t cap);

/* How many of its connections live, lingering ones included. @since 0.1 */
EVL_API int32_t evl_server_connections(const evl_server *server);

#ifdef __cplusplus
}
#endif
#endif
