/* info.c - what two peers have agreed on. */
#include "internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

/* OpenSSL's has no 0 at its end. */
static const char *alpn_of(tls *t) {
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    if (!t->alpn && len > 0 && (t->alpn = malloc(len + 1)) != NULL) {
        memcpy(t->alpn, name, len);
        t->alpn[len] = '\0';
    }
    return t->alpn ? t->alpn : "";
}

static void describe(tls *t, evl_tls_info *info) {
    const char *cipher = SSL_get_cipher_name(t->ssl);
    const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    info->ready = t->ready;
    info->version = SSL_version(t->ssl) == TLS1_2_VERSION ? EVL_TLS_1_2 : EVL_TLS_1_3;
    info->resumed = SSL_session_reused(t->ssl);
    info->verified = SSL_get0_peer_certificate(t->ssl) && SSL_get_verify_result(t->ssl) == X509_V_OK;
    info->cipher = cipher ? cipher : "";
    info->alpn = alpn_of(t);
    info->server_name = name ? name : "";
}

int32_t evl_tls_get_info(const evl_stream *stream, evl_tls_info *out) {
    tls *t = tls_of(stream);
    if (!t || !out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    evl_tls_info info = {.cipher = "", .alpn = "", .server_name = ""};
    if (t->ready)
        describe(t, &info);
    info.error = t->read_error != 0 ? t->read_error : t->write_error;
    info.reason = t->reason;
    info.struct_size = out->struct_size;
    memcpy(out, &info, info.struct_size < sizeof info ? info.struct_size : sizeof info);
    return 0;
}

int64_t evl_tls_peer_certificate(const evl_stream *stream, char *text, size_t cap) {
    const tls *t = tls_of(stream);
    if (!t || (!text && cap > 0))
        return EVL_EINVAL;
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    if (!certificate)
        return EVL_ENOENT;
    BIO *memory = BIO_new(BIO_s_mem());
    char *data = NULL;
    long len = memory && PEM_write_bio_X509(memory, certificate) ? BIO_get_mem_data(memory, &data) : -1;
    if (len >= 0 && cap > 0) {
        size_t n = (size_t)len < cap ? (size_t)len : cap - 1;
        memcpy(text, data, n);
        text[n] = '\0';
    }
    BIO_free(memory);
    ERR_clear_error();
    return len >= 0 ? len : EVL_ENOMEM;
}

void *evl_tls_native(const evl_stream *stream) {
    const tls *t = tls_of(stream);
    return t ? t->ssl : NULL;
}
