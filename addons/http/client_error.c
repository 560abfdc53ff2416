/* client_error.c - libcurl's errors in evloop's codes. */
#include "client.h"

#include <errno.h>
#include <string.h>

/* OpenSSL's numbers for what is wrong with a certificate: libcurl hands them on, and other libraries' are
 * not told apart. */
enum {
    UNSPECIFIED = 1,
    NOT_YET_VALID = 9,
    HAS_EXPIRED = 10,
    REVOKED = 23,
    HOSTNAME_MISMATCH = 62,
    IP_MISMATCH = 64
};

static int32_t of_certificate(const evl_http_request *r) {
    long result = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_SSL_VERIFYRESULT, &result);
    switch (result) {
    case 0: /* OpenSSL has no objection: it is the name, which libcurl compares */
    case UNSPECIFIED:
    case HOSTNAME_MISMATCH:
    case IP_MISMATCH:
        return EVL_ETLS_NAME;
    case NOT_YET_VALID:
    case HAS_EXPIRED:
        return EVL_ETLS_EXPIRED;
    case REVOKED:
        return EVL_ETLS_REVOKED;
    default:
        return EVL_ETLS_UNTRUSTED;
    }
}

/* What the kernel said last; libcurl keeps what is no failure, too. */
static int32_t of_kernel(const evl_http_request *r, int32_t otherwise) {
    long native = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &native);
    if (native == 0 || native == EINPROGRESS || native == EAGAIN)
        return otherwise;
    return evl_err_from_errno((int32_t)native);
}

/* libcurl has one number for TLS that was cut off and for chunks that are none, and tells them apart by
 * words.
 */
static int32_t of_connection(const evl_http_request *r) {
    return strstr(r->reason, "chunk") ? EVL_EHTTP_PROTOCOL : EVL_EHTTP_TRUNCATED;
}

/* A proxy was asked for a tunnel, and said no. */
static bool is_proxys(const evl_http_request *r) {
    long status = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300;
}

int32_t http_error(const evl_http_request *r, CURLcode code) {
    if (code != CURLE_OK && is_proxys(r))
        return EVL_EHTTP_PROXY;
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OUT_OF_MEMORY:
        return EVL_ENOMEM;
    case CURLE_UNSUPPORTED_PROTOCOL: /* a redirect's, or what came is no HTTP: the URL was looked at */
        return r->status != 0 ? EVL_EHTTP_URL : EVL_EHTTP_PROTOCOL;
    case CURLE_URL_MALFORMAT:
        return EVL_EHTTP_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return EVL_EAI_NONAME;
    case CURLE_COULDNT_CONNECT:
        return of_kernel(r, EVL_ECONNREFUSED);
    case CURLE_OPERATION_TIMEDOUT:
        return EVL_ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return of_certificate(r);
    case CURLE_SSL_CERTPROBLEM:
        return EVL_ETLS_CERTIFICATE;
    case CURLE_SSL_CACERT_BADFILE:
        return EVL_ETLS_UNTRUSTED;
    case CURLE_SSL_CIPHER:
        return EVL_ETLS_VERSION;
    case CURLE_SSL_CONNECT_ERROR:
        return EVL_ETLS_PROTOCOL;
    case CURLE_TOO_MANY_REDIRECTS:
        return EVL_EHTTP_REDIRECTS;
    case CURLE_FILESIZE_EXCEEDED:
        return EVL_EHTTP_TOO_LARGE;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
        return EVL_EHTTP_TRUNCATED;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return of_kernel(r, of_connection(r));
    case CURLE_BAD_CONTENT_ENCODING:
        return EVL_EHTTP_ENCODING;
    case CURLE_PROXY:
        return EVL_EHTTP_PROXY;
    case CURLE_SEND_FAIL_REWIND:
        return EVL_EHTTP_RESEND;
    default:
        return EVL_EHTTP_PROTOCOL;
    }
}
