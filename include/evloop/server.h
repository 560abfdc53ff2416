/* evloop/server.h - servers: listening, and the streams they accept.
 *
 *     evl_server_listen(loop, NULL, "8080", NULL, &server);
 *     evl_server_on_connection(server, connected, app);    // connected(app, 1): call evl_server_accept
 *
 * A server accepts nothing before evl_server_on_connection or evl_server_accept_op. Each connection is an
 * ordinary stream (stream.h), the caller's to close, which lives on when the server is closed.
 *
 * In a forked child, after evl_loop_fork, a server goes on with its parent's listening sockets: whichever of
 * the two asks first gets a connection. Stopping or closing it there closes the child's fds and leaves the
 * parent's server and its Unix path alone. */
#ifndef EVLOOP_SERVER_H
#define EVLOOP_SERVER_H

#include "names.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of evl_server_options. */
enum {
    EVL_SERVER_REUSE_PORT =
        1, /* several sockets may listen on the port: a loop on each thread, or processes */
    EVL_SERVER_KEEP_PATH = 2, /* do not remove a Unix path at the end */
    EVL_SERVER_SHARED = 4     /* other processes or loops accept from the same sockets; where the kernel can
                                 (epoll) a connection wakes only one of them */
};

/* What to do when the process has no file descriptor left for a connection. */
enum {
    EVL_ACCEPT_PAUSE = 0, /* pause and try again, after 5 ms at first and 1 s at most; in real time, whatever
                             the loop's clock */
    EVL_ACCEPT_SHED = 1,  /* accept with a reserved descriptor and close at once */
    EVL_ACCEPT_REPORT = 2 /* evl_server_accept returns the error, and the operation completes with it */
};

/* How to listen. Set struct_size and the rest to 0, then the wanted fields; 0 in a field is its default. */
typedef struct evl_server_options {
    uint32_t struct_size;
    uint32_t flags;           /* EVL_SERVER_* */
    int32_t backlog;          /* connections that the kernel holds; 0: 511 */
    uint32_t max_connections; /* at most so many are open at a time; lingering ones and those of
                                 evl_stream_detach do not count; 0: no limit */
    int32_t at_fd_limit;      /* EVL_ACCEPT_* */
    uint32_t reserved;        /* 0 */
    int64_t linger_ns;        /* of the streams it accepts, as evl_options.linger_ns; 0: the loop's */
} evl_server_options;

/* Listens on a host's addresses, with one socket for each.
 *
 * - `host`: NULL for every address of the machine, a literal address, or "localhost". Other names have to
 *   be looked up first: evl_getaddrinfo and evl_server_listen_any.
 * - `service`: a port number. NULL or "0" is a port of the kernel's choice, the same for all sockets.
 * - `options`: NULL for the defaults.
 *
 * IPv6 sockets do not take IPv4. An address that the machine does not have is left out, unless no other is
 * left.
 * Errors, after which nothing is left open:
 * - EVL_EADDRINUSE, EVL_EADDRNOTAVAIL, EVL_EACCES: the address cannot be bound.
 * - EVL_EAI_NONAME, EVL_EAI_SERVICE: host is a name, or service no port.
 * - EVL_EMFILE, EVL_ENOMEM: out of file descriptors or memory.
 * @since 0.1 */
EVL_API int32_t evl_server_listen(evl_loop *loop, const char *host, const char *service,
                                  const evl_server_options *options, evl_server **out);

/* As evl_server_listen, on the addresses of a list; one that appears twice is one socket. @since 0.1 */
EVL_API int32_t evl_server_listen_any(evl_loop *loop, const evl_addresses *addresses,
                                      const evl_server_options *options, evl_server **out);

/* As evl_server_listen, on one address. @since 0.1 */
EVL_API int32_t evl_server_listen_on(evl_loop *loop, const void *address, uint32_t length,
                                     const evl_server_options *options, evl_server **out);

/* As evl_server_listen, on a Unix path; "@name" is an abstract name. The path of a socket that no process
 * has open is replaced. At the end the path is removed if it is still this server's.
 * Errors:
 * - EVL_EADDRINUSE: a process listens there.
 * - EVL_ENAMETOOLONG: the path is too long.
 * - and those of evl_server_listen.
 * @since 0.1 */
EVL_API int32_t evl_server_listen_unix(evl_loop *loop, const char *path, const evl_server_options *options,
                                       evl_server **out);

/* As evl_server_listen, on n sockets that are bound and listening: inherited, or passed by a service
 * manager. The server owns them from now on; on an error they are the caller's.
 * Errors:
 * - EVL_EINVAL: a socket does not listen.
 * - EVL_ENOTSOCK, EVL_EBADF: not a socket, or not open.
 * - EVL_EEXIST: a socket is watched already.
 * @since 0.1 */
EVL_API int32_t evl_server_listen_fds(evl_loop *loop, const evl_fd *fds, int32_t n,
                                      const evl_server_options *options, evl_server **out);

/* Stores up to cap sockets that a service manager passed to this process (LISTEN_PID and LISTEN_FDS, as
 * systemd does), for evl_server_listen_fds, and makes them close-on-exec. Returns how many there are, 0 if
 * none were passed. The environment is not changed.
 * Errors:
 * - EVL_EBADF: the environment names descriptors that are not open.
 * @since 0.1 */
EVL_API int32_t evl_passed_fds(evl_fd *fds, int32_t cap);

/* Starts accepting: fn(arg, 1) runs in every pass in which connections wait. Take them with
 * evl_server_accept until it returns EVL_EAGAIN; what is left is reported again in the next pass. fn(arg,
 * error) says that accepting has ended.
 *
 * fn NULL produces records of EVL_KIND_SERVER with arg as user_data. A listening server keeps the loop
 * alive. `arg` is fn's alone; the handle's own argument (evl_arg), which a drop gets, is another.
 * Errors:
 * - EVL_ECLOSED: the server was stopped.
 * @since 0.1 */
EVL_API int32_t evl_server_on_connection(evl_server *server, evl_done_fn *fn, void *arg);

/* Takes a connection that waits, and stores its stream in *out.
 * Errors:
 * - EVL_EAGAIN: none waits, 32 were taken in this pass, or accepting is paused.
 * - EVL_ECLOSED: the server was stopped, or has lost its last socket.
 * - EVL_EMFILE and the like: with EVL_ACCEPT_REPORT.
 * - others, once: why one of several sockets was lost; the server goes on with the others.
 * @since 0.1 */
EVL_API int32_t evl_server_accept(evl_server *server, evl_stream **out);

/* Completes with 0 after storing the stream of the next connection in *out, which must stay valid until
 * then. Any number of operations may wait. Completes with EVL_ECLOSED when the server stops. One that is
 * cancelled has taken no connection.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_ECLOSED: the server was stopped.
 * @since 0.1 */
EVL_API int32_t evl_server_accept_op(evl_server *server, evl_op *op, evl_stream **out);

/* Pauses accepting; connections wait in the kernel's backlog. @since 0.1 */
EVL_API int32_t evl_server_pause(evl_server *server);

/* Resumes accepting. @since 0.1 */
EVL_API int32_t evl_server_resume(evl_server *server);

/* Closes the listening sockets; connections live on. Calling it twice is no error. evl_close does this and
 * ends the handle.
 * @since 0.1 */
EVL_API int32_t evl_server_stop(evl_server *server);

/* Closes (evl_close) every open connection that the server accepted. Returns how many. @since 0.1 */
EVL_API int32_t evl_server_close_clients(evl_server *server);

/* Aborts (evl_stream_abort) every open connection that the server accepted. Returns how many. @since 0.1 */
EVL_API int32_t evl_server_abort_clients(evl_server *server);

/* Completes with 0 when the server was stopped and its last connection is gone, lingering ones included.
 * Completes with EVL_ECLOSED when the handle is closed before. For a graceful shutdown.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_server_on_idle(evl_server *server, evl_op *op);

/* Returns the number of listening sockets; 0 after evl_server_stop. @since 0.1 */
EVL_API int32_t evl_server_sockets(const evl_server *server);

/* Returns the fd of the n-th listening socket. @since 0.1 */
EVL_API evl_fd evl_server_fd(const evl_server *server, int32_t n);

/* Writes the address of the n-th listening socket, as evl_stream_local. @since 0.1 */
EVL_API int32_t evl_server_local(const evl_server *server, int32_t n, void *address, uint32_t cap);

/* Returns the number of its connections that live, lingering ones included. @since 0.1 */
EVL_API int32_t evl_server_connections(const evl_server *server);

#ifdef __cplusplus
}
#endif
#endif
