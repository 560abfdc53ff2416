#include <evloop/errors.h>

#include <errno.h>

/* A platform without an errno maps it to 0, which no call reports. */
#ifndef ESOCKTNOSUPPORT
#    define ESOCKTNOSUPPORT 0
#endif
#ifndef ESHUTDOWN
#    define ESHUTDOWN 0
#endif
#ifndef EHOSTDOWN
#    define EHOSTDOWN 0
#endif
#ifndef ESTALE
#    define ESTALE 0
#endif
#ifndef EDQUOT
#    define EDQUOT 0
#endif

typedef struct row {
    int32_t code;
    int native;
    const char *name;
    const char *text;
} row;

#define ROW(name, text) {EVL_##name, name, "EVL_" #name, text}

static const row rows[] = {
    ROW(EPERM, "operation not permitted"),
    ROW(ENOENT, "no such file or directory"),
    ROW(ESRCH, "no such process"),
    ROW(EINTR, "interrupted by a signal"),
    ROW(EIO, "input or output error"),
    ROW(ENXIO, "no such device or address"),
    ROW(E2BIG, "argument list too long"),
    ROW(ENOEXEC, "not an executable format"),
    ROW(EBADF, "bad file descriptor"),
    ROW(ECHILD, "no such child process"),
    ROW(EAGAIN, "try again"),
    ROW(ENOMEM, "out of memory"),
    ROW(EACCES, "permission denied"),
    ROW(EFAULT, "bad address"),
    ROW(EBUSY, "busy"),
    ROW(EEXIST, "already exists"),
    ROW(EXDEV, "across file systems"),
    ROW(ENODEV, "no such device"),
    ROW(ENOTDIR, "not a directory"),
    ROW(EISDIR, "is a directory"),
    ROW(EINVAL, "invalid argument"),
    ROW(ENFILE, "too many open files in the system"),
    ROW(EMFILE, "too many open files in the process"),
    ROW(ENOTTY, "not a terminal"),
    ROW(ETXTBSY, "program file is busy"),
    ROW(EFBIG, "file too large"),
    ROW(ENOSPC, "no space left"),
    ROW(ESPIPE, "cannot seek"),
    ROW(EROFS, "read-only file system"),
    ROW(EMLINK, "too many links"),
    ROW(EPIPE, "broken pipe"),
    ROW(EDOM, "argument out of domain"),
    ROW(ERANGE, "result out of range"),
    ROW(EDEADLK, "would wait for ever"),
    ROW(ENAMETOOLONG, "name too long"),
    ROW(ENOSYS, "function not implemented"),
    ROW(ENOTEMPTY, "directory not empty"),
    ROW(ELOOP, "too many symbolic links"),
    ROW(EPROTO, "protocol error"),
    ROW(EOVERFLOW, "value too large"),
    ROW(EILSEQ, "illegal byte sequence"),
    ROW(ENOTSOCK, "not a socket"),
    ROW(EDESTADDRREQ, "destination address required"),
    ROW(EMSGSIZE, "message too long"),
    ROW(EPROTOTYPE, "wrong protocol type for the socket"),
    ROW(ENOPROTOOPT, "protocol option not available"),
    ROW(EPROTONOSUPPORT, "protocol not supported"),
    ROW(ESOCKTNOSUPPORT, "socket type not supported"),
    ROW(ENOTSUP, "not supported"),
    ROW(EAFNOSUPPORT, "address family not supported"),
    ROW(EADDRINUSE, "address in use"),
    ROW(EADDRNOTAVAIL, "address not available"),
    ROW(ENETDOWN, "network is down"),
    ROW(ENETUNREACH, "network unreachable"),
    ROW(ECONNABORTED, "connection aborted"),
    ROW(ECONNRESET, "connection reset by peer"),
    ROW(ENOBUFS, "no buffer space"),
    ROW(EISCONN, "already connected"),
    ROW(ENOTCONN, "not connected"),
    ROW(ESHUTDOWN, "endpoint has been shut down"),
    ROW(ETIMEDOUT, "timed out"),
    ROW(ECONNREFUSED, "connection refused"),
    ROW(EHOSTDOWN, "host is down"),
    ROW(EHOSTUNREACH, "host unreachable"),
    ROW(EALREADY, "already done or in progress"),
    ROW(EINPROGRESS, "in progress"),
    ROW(ESTALE, "stale handle"),
    ROW(EDQUOT, "quota exceeded"),
    ROW(ECANCELED, "canceled"),
    {EVL_ECLOSED, 0, "EVL_ECLOSED", "closed"},
    {EVL_EFORK, 0, "EVL_EFORK", "used in a forked child before evl_loop_fork"},
    {EVL_ETHREAD, 0, "EVL_ETHREAD", "the loop belongs to another thread"},
    {EVL_ERUNNING, 0, "EVL_ERUNNING", "the loop is running"},
    {EVL_EUSER, 0, "EVL_EUSER", "an error of the caller's own"},
    {EVL_EBROKEN, 0, "EVL_EBROKEN", "broken barrier"},
    {EVL_EEOF, 0, "EVL_EEOF", "end of file"},
    {EVL_EAI_AGAIN, 0, "EVL_EAI_AGAIN", "temporary failure in name resolution"},
    {EVL_EAI_ADDRFAMILY, 0, "EVL_EAI_ADDRFAMILY", "no address of this family for the host"},
    {EVL_EAI_BADFLAGS, 0, "EVL_EAI_BADFLAGS", "bad flags for a look-up"},
    {EVL_EAI_FAIL, 0, "EVL_EAI_FAIL", "permanent failure in name resolution"},
    {EVL_EAI_FAMILY, 0, "EVL_EAI_FAMILY", "address family has no look-ups"},
    {EVL_EAI_NODATA, 0, "EVL_EAI_NODATA", "the host has no address"},
    {EVL_EAI_NONAME, 0, "EVL_EAI_NONAME", "host or service not known"},
    {EVL_EAI_OVERFLOW, 0, "EVL_EAI_OVERFLOW", "buffer too small for the name"},
    {EVL_EAI_SERVICE, 0, "EVL_EAI_SERVICE", "service not known for this kind of socket"},
    {EVL_EAI_SOCKTYPE, 0, "EVL_EAI_SOCKTYPE", "kind of socket has no look-ups"},
    {EVL_EAI_UNKNOWN, 0, "EVL_EAI_UNKNOWN", "unknown failure in name resolution"},
    {EVL_ETLS_PROTOCOL, 0, "EVL_ETLS_PROTOCOL", "TLS protocol error"},
    {EVL_ETLS_VERSION, 0, "EVL_ETLS_VERSION", "no TLS version or cipher in common"},
    {EVL_ETLS_TRUNCATED, 0, "EVL_ETLS_TRUNCATED", "connection ended without TLS close"},
    {EVL_ETLS_UNTRUSTED, 0, "EVL_ETLS_UNTRUSTED", "certificate is not trusted"},
    {EVL_ETLS_EXPIRED, 0, "EVL_ETLS_EXPIRED", "certificate has expired or is not valid yet"},
    {EVL_ETLS_NAME, 0, "EVL_ETLS_NAME", "certificate is for another name"},
    {EVL_ETLS_REVOKED, 0, "EVL_ETLS_REVOKED", "certificate was revoked"},
    {EVL_ETLS_CERTIFICATE, 0, "EVL_ETLS_CERTIFICATE", "own certificate is missing, unusable or refused"},
    {EVL_ETLS_ALPN, 0, "EVL_ETLS_ALPN", "no application protocol in common"},
    {EVL_EHTTP_URL, 0, "EVL_EHTTP_URL", "not a URL of http or https"},
    {EVL_EHTTP_PROTOCOL, 0, "EVL_EHTTP_PROTOCOL", "HTTP protocol error"},
    {EVL_EHTTP_TRUNCATED, 0, "EVL_EHTTP_TRUNCATED", "connection ended before the response did"},
    {EVL_EHTTP_TOO_LARGE, 0, "EVL_EHTTP_TOO_LARGE", "response is too large"},
    {EVL_EHTTP_REDIRECTS, 0, "EVL_EHTTP_REDIRECTS", "too many redirects"},
    {EVL_EHTTP_ENCODING, 0, "EVL_EHTTP_ENCODING", "response cannot be decompressed"},
    {EVL_EHTTP_PROXY, 0, "EVL_EHTTP_PROXY", "proxy refused or failed"},
    {EVL_EHTTP_RESEND, 0, "EVL_EHTTP_RESEND", "request body cannot be sent again"},
};

#define ROWS (sizeof rows / sizeof rows[0])

#define UNNAMED (-2000) /* codes of errno values without a name: UNNAMED - errno */

static const row *find(int64_t code) {
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

const char *evl_strerror(int64_t code) {
    if (code >= 0)
        return "success";
    const row *found = find(code);
    return found ? found->text : "unknown error";
}

const char *evl_err_name(int64_t code) {
    if (code >= 0)
        return "EVL_OK";
    const row *found = find(code);
    return found ? found->name : "EVL_E?";
}

int32_t evl_err_from_errno(int32_t native) {
    if (native == 0)
        return 0;
#if EWOULDBLOCK != EAGAIN
    if (native == EWOULDBLOCK)
        return EVL_EAGAIN;
#endif
#if EOPNOTSUPP != ENOTSUP
    if (native == EOPNOTSUPP)
        return EVL_ENOTSUP;
#endif
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].native == native)
            return rows[i].code;
    return UNNAMED - native;
}

int32_t evl_err_to_errno(int32_t code) {
    const row *found = find(code);
    if (found)
        return found->native;
    return code < UNNAMED ? UNNAMED - code : 0;
}
