/* error.c - OpenSSL's errors in evloop's codes. */
#include "internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

static int32_t of_certificate(long result) {
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return EVL_ETLS_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return EVL_ETLS_NAME;
    case X509_V_ERR_CERT_REVOKED:
        return EVL_ETLS_REVOKED;
    default:
        return EVL_ETLS_UNTRUSTED;
    }
}

/* What the peer says in an alert. A server of TLS 1.2 that misses a certificate only says that it has failed.
 */
static int32_t of_alert(const tls *t, int alert) {
    switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
        return t->asked ? EVL_ETLS_CERTIFICATE : EVL_ETLS_VERSION;
    case SSL_AD_PROTOCOL_VERSION:
    case SSL_AD_INSUFFICIENT_SECURITY:
    case SSL_AD_INAPPROPRIATE_FALLBACK:
        return EVL_ETLS_VERSION;
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
        return EVL_ETLS_CERTIFICATE;
    case SSL_AD_NO_APPLICATION_PROTOCOL:
        return EVL_ETLS_ALPN;
    default:
        return EVL_ETLS_PROTOCOL;
    }
}

static int32_t of_reason(const tls *t, int reason) {
    if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
        return of_alert(t, reason - SSL_AD_REASON_OFFSET);
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return of_certificate(SSL_get_verify_result(t->ssl));
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return EVL_ETLS_TRUNCATED;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return EVL_ETLS_UNTRUSTED;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return EVL_ETLS_ALPN;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_INAPPROPRIATE_FALLBACK:
        return EVL_ETLS_VERSION;
    default:
        return EVL_ETLS_PROTOCOL;
    }
}

/* The words stay: by the time that a program asks, others have used the queue of errors. */
static void note_reason(tls *t, unsigned long error) {
    const char *text = ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED
                           ? X509_verify_cert_error_string(SSL_get_verify_result(t->ssl))
                           : ERR_reason_error_string(error);
    if (t->reason[0] == '\0' && text)
        OPENSSL_strlcpy(t->reason, text, sizeof t->reason);
}

int32_t tls_error(tls *t) {
    unsigned long error = ERR_peek_error();
    int32_t code = t->io_error != 0 ? t->io_error : EVL_ETLS_TRUNCATED;
    if (error != 0) {
        note_reason(t, error);
        if (ERR_GET_LIB(error) == ERR_LIB_SYS)
            code = evl_err_from_errno(ERR_GET_REASON(error));
        else if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            code = EVL_ENOMEM;
        else if (ERR_GET_LIB(error) == ERR_LIB_SSL)
            code = of_reason(t, ERR_GET_REASON(error));
        else
            code = EVL_ETLS_PROTOCOL;
    }
    ERR_clear_error();
    return code;
}

int32_t tls_file_error(void) {
    int32_t code = EVL_ETLS_CERTIFICATE;
    for (unsigned long error; (error = ERR_get_error()) != 0;) {
        if (ERR_GET_LIB(error) == ERR_LIB_SYS)
            code = evl_err_from_errno(ERR_GET_REASON(error));
        else if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            code = EVL_ENOMEM;
    }
    return code;
}
