/* alpn.c - choosing an application protocol. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* "h2,http/1.1" as it is sent. Returns its length, 0 where a name is empty or too long. */
static unsigned encode(const char *names, unsigned char *out) {
    unsigned at = 0;
    for (;; names++) {
        size_t len = strcspn(names, ",");
        if (len == 0 || len > 255)
            return 0;
        out[at] = (unsigned char)len;
        memcpy(out + at + 1, names, len);
        at += 1 + (unsigned)len;
        names += len;
        if (*names == '\0')
            return at;
    }
}

/* The server's preference counts. */
static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
                  unsigned offered_len, void *arg) {
    const evl_tls_context *context = arg;
    unsigned char *chosen;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, context->alpn, context->alpn_len, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int32_t tls_alpn_begin(evl_tls_context *context, const char *names) {
    if (!names)
        return 0;
    context->alpn = malloc(strlen(names) + 1);
    if (!context->alpn)
        return EVL_ENOMEM;
    context->alpn_len = encode(names, context->alpn);
    if (context->alpn_len == 0)
        return EVL_EINVAL;
    if (tls_is_server(context))
        SSL_CTX_set_alpn_select_cb(context->ssl, choose, context);
    else if (SSL_CTX_set_alpn_protos(context->ssl, context->alpn, context->alpn_len) != 0)
        return EVL_ENOMEM;
    return 0;
}
