/* evloop/errors.h - every error code, its name and its text.
 *
 *     int32_t rc = evl_loop_new(&loop, NULL);
 *     if (rc < 0)
 *         fprintf(stderr, "no loop: %s (%s)\n", evl_strerror(rc), evl_err_name(rc));
 *
 * A function returns 0 or a positive number, or one of these codes. The constants are negative themselves,
 * so that `rc == EVL_EAGAIN` is the test. They are the same on every platform: Linux's numbers, evloop's
 * own codes from -1000 down, getaddrinfo's from -1100 down. An errno value without a name is -(2000 +
 * errno).
 *
 * Errors of every call. The comment of a function lists the errors that have a cause of their own. Besides
 * these every function may return:
 *
 * - EVL_EINVAL: a NULL or uninitialised object, a handle of another kind, a value out of range, an unknown
 *   flag.
 * - EVL_ESTALE: the handle was closed. Certain only where the library was built with EVLOOP_CHECKS;
 *   otherwise the use of a closed handle is undefined, as of freed memory.
 * - EVL_ECLOSED: the loop was closed or destroyed, and the caller still holds a reference to it.
 * - EVL_EFORK: this process is a forked child that has not called evl_loop_fork. Close, cancel, stop,
 *   destroy and calls that only look (evl_loop_dump, evl_loop_alive, evl_active, evl_future_state and the
 *   like) work there nevertheless.
 * - EVL_ETHREAD: another thread is running the loop, and the function is not marked "@thread any".
 * - EVL_EBUSY: of functions that start an operation: the operation is active already.
 *
 * A call that fails has changed nothing, unless its comment says otherwise. */
#ifndef EVLOOP_ERRORS_H
#define EVLOOP_ERRORS_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EVL_EPERM = -1,
    EVL_ENOENT = -2,
    EVL_ESRCH = -3,
    EVL_EINTR = -4,
    EVL_EIO = -5,
    EVL_ENXIO = -6,
    EVL_E2BIG = -7,
    EVL_ENOEXEC = -8,
    EVL_EBADF = -9,
    EVL_ECHILD = -10,
    EVL_EAGAIN = -11,
    EVL_ENOMEM = -12,
    EVL_EACCES = -13,
    EVL_EFAULT = -14,
    EVL_EBUSY = -16,
    EVL_EEXIST = -17,
    EVL_EXDEV = -18,
    EVL_ENODEV = -19,
    EVL_ENOTDIR = -20,
    EVL_EISDIR = -21,
    EVL_EINVAL = -22,
    EVL_ENFILE = -23,
    EVL_EMFILE = -24,
    EVL_ENOTTY = -25,
    EVL_ETXTBSY = -26,
    EVL_EFBIG = -27,
    EVL_ENOSPC = -28,
    EVL_ESPIPE = -29,
    EVL_EROFS = -30,
    EVL_EMLINK = -31,
    EVL_EPIPE = -32,
    EVL_EDOM = -33,
    EVL_ERANGE = -34,
    EVL_EDEADLK = -35,
    EVL_ENAMETOOLONG = -36,
    EVL_ENOSYS = -38,
    EVL_ENOTEMPTY = -39,
    EVL_ELOOP = -40,
    EVL_EPROTO = -71,
    EVL_EOVERFLOW = -75,
    EVL_EILSEQ = -84,
    EVL_ENOTSOCK = -88,
    EVL_EDESTADDRREQ = -89,
    EVL_EMSGSIZE = -90,
    EVL_EPROTOTYPE = -91,
    EVL_ENOPROTOOPT = -92,
    EVL_EPROTONOSUPPORT = -93,
    EVL_ESOCKTNOSUPPORT = -94,
    EVL_ENOTSUP = -95,
    EVL_EAFNOSUPPORT = -97,
    EVL_EADDRINUSE = -98,
    EVL_EADDRNOTAVAIL = -99,
    EVL_ENETDOWN = -100,
    EVL_ENETUNREACH = -101,
    EVL_ECONNABORTED = -103,
    EVL_ECONNRESET = -104,
    EVL_ENOBUFS = -105,
    EVL_EISCONN = -106,
    EVL_ENOTCONN = -107,
    EVL_ESHUTDOWN = -108,
    EVL_ETIMEDOUT = -110,
    EVL_ECONNREFUSED = -111,
    EVL_EHOSTDOWN = -112,
    EVL_EHOSTUNREACH = -113,
    EVL_EALREADY = -114,
    EVL_EINPROGRESS = -115,
    EVL_ESTALE = -116,
    EVL_EDQUOT = -122,
    EVL_ECANCELED = -125,

    EVL_ECLOSED = -1000,  /* the loop, or the object that an operation waited on, was closed */
    EVL_EFORK = -1001,    /* this is a forked child, and evl_loop_fork has not been called */
    EVL_ETHREAD = -1002,  /* another thread is running this loop */
    EVL_ERUNNING = -1003, /* the loop is running: a nested run, or a close from inside */
    EVL_EUSER = -1004,    /* never returned by evloop itself: for bindings, to pass through evl_stop */
    EVL_EBROKEN = -1005,  /* the barrier is broken */
    EVL_EEOF = -1006,     /* the stream ended before the requested data */

    EVL_EAI_AGAIN = -1100,      /* name look-ups (names.h): temporary failure, as of a server that is down */
    EVL_EAI_ADDRFAMILY = -1101, /* the host has no address of the requested family */
    EVL_EAI_BADFLAGS = -1102,   /* flags that the system does not know */
    EVL_EAI_FAIL = -1103,       /* permanent failure of the name server */
    EVL_EAI_FAMILY = -1104,     /* an address or a family that cannot be looked up */
    EVL_EAI_NODATA = -1105,     /* the name exists but has no address */
    EVL_EAI_NONAME = -1106,     /* the name or the service does not exist */
    EVL_EAI_OVERFLOW = -1107,   /* a buffer is too small for the name */
    EVL_EAI_SERVICE = -1108,    /* the service does not exist for this kind of socket */
    EVL_EAI_SOCKTYPE = -1109,   /* a kind of socket that the system does not know */
    EVL_EAI_UNKNOWN = -1110,    /* any other failure */

    EVL_ETLS_PROTOCOL = -1200,    /* TLS (tls.h, an add-on): the peer does not speak it as it should */
    EVL_ETLS_VERSION = -1201,     /* no version or cipher is common to both sides */
    EVL_ETLS_TRUNCATED = -1202,   /* the connection ended without TLS' own end: bytes may be missing */
    EVL_ETLS_UNTRUSTED = -1203,   /* the peer's certificate leads to no root that is trusted */
    EVL_ETLS_EXPIRED = -1204,     /* it has expired, or is not valid yet */
    EVL_ETLS_NAME = -1205,        /* it is for another name */
    EVL_ETLS_REVOKED = -1206,     /* it was revoked */
    EVL_ETLS_CERTIFICATE = -1207, /* the own certificate: missing, unusable, or refused by the peer */
    EVL_ETLS_ALPN = -1208,        /* no application protocol is common to both sides */

    EVL_EHTTP_URL = -1300,       /* HTTP (http.h, an add-on): not a URL of http or https */
    EVL_EHTTP_PROTOCOL = -1301,  /* the server does not speak it as it should */
    EVL_EHTTP_TRUNCATED = -1302, /* the connection ended before the response did */
    EVL_EHTTP_TOO_LARGE = -1303, /* the body is larger than was allowed */
    EVL_EHTTP_REDIRECTS = -1304, /* more redirects than were allowed */
    EVL_EHTTP_ENCODING = -1305,  /* a body that cannot be decompressed */
    EVL_EHTTP_PROXY = -1306,     /* the proxy refused, or failed */
    EVL_EHTTP_RESEND = -1307     /* a body that was written in pieces would have to be sent again */
};

/* Describes a code in a few words of English, in static memory. Returns "success" for 0 and above,
 * "unknown error" for a number that is no code. Takes the result of any function or callback as it is, also
 * one of 64 bits. @thread any. @since 0.1 */
EVL_API const char *evl_strerror(int64_t code);

/* Returns the name of a code's constant, such as "EVL_ENOMEM", in static memory: "EVL_OK" for 0 and above,
 * "EVL_E?" for a code without a name. @thread any. @since 0.1 */
EVL_API const char *evl_err_name(int64_t code);

/* Converts an errno value of this platform to a code; 0 to 0. @thread any. @since 0.1 */
EVL_API int32_t evl_err_from_errno(int32_t native);

/* Converts a code to an errno value of this platform; returns 0 where the platform has none.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_err_to_errno(int32_t code);

#ifdef __cplusplus
}
#endif
#endif
