/* context.c - what many connections have in common. */
#include "internal.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- names of a server ------------------------------------------------------------------------ */

/* "*.example.org" is every name with one label in front. */
static bool matches(const char *pattern, const char *name) {
    if (pattern[0] != '*' || pattern[1] != '.')
        return strcasecmp(pattern, name) == 0;
    const char *dot = strchr(name, '.');
    return dot && dot != name && strcasecmp(pattern + 1, dot) == 0;
}

static int choose_name(SSL *ssl, int *alert, void *arg) {
    const evl_tls_context *context = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    for (const tls_name *n = context->names; name && n; n = n->next)
        if (matches(n->name, name)) {
            SSL_set_SSL_CTX(ssl, n->context->ssl);
            break;
        }
    return SSL_TLSEXT_ERR_OK;
}

int32_t evl_tls_context_add_name(evl_tls_context *context, const char *name, evl_tls_context *other) {
    if (!context || !name || !other || context == other || !tls_is_server(context) || !tls_is_server(other))
        return EVL_EINVAL;
    size_t len = strlen(name);
    tls_name *n = malloc(sizeof *n + len + 1);
    if (!n)
        return EVL_ENOMEM;
    memcpy(n->name, name, len + 1);
    n->context = evl_tls_context_ref(other);
    n->next = context->names;
    context->names = n;
    SSL_CTX_set_tlsext_servername_callback(context->ssl, choose_name);
    SSL_CTX_set_tlsext_servername_arg(context->ssl, context);
    return 0;
}

/* --- making one ------------------------------------------------------------------------------- */

enum {
    OF_SERVER = EVL_TLS_REQUEST_CLIENT | EVL_TLS_REQUIRE_CLIENT,
    KNOWN = EVL_TLS_SERVER | EVL_TLS_INSECURE | OF_SERVER | EVL_TLS_NO_SESSIONS
};

static int version_of(int32_t version) { return version == EVL_TLS_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION; }

static bool is_version(int32_t version) {
    return version == 0 || version == EVL_TLS_1_2 || version == EVL_TLS_1_3;
}

static int32_t check(const evl_tls_context_options *o) {
    if (o->struct_size < sizeof *o || o->flags & ~(uint32_t)KNOWN || !is_version(o->min_version) ||
        !is_version(o->max_version))
        return EVL_EINVAL;
    if (o->flags & (o->flags & EVL_TLS_SERVER ? (uint32_t)EVL_TLS_INSECURE : (uint32_t)OF_SERVER))
        return EVL_EINVAL;
    if (o->max_version != 0 && o->min_version > o->max_version)
        return EVL_EINVAL;
    return (o->flags & EVL_TLS_SERVER) && !o->certificate ? EVL_ETLS_CERTIFICATE : 0;
}

static int32_t set_protocols(SSL_CTX *ssl, const evl_tls_context_options *o) {
    SSL_CTX_set_options(ssl,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* The stream repeats a write with the same bytes from another place; idle ones need no buffers; and one
     * read takes what has come, not a record's head and then its body. */
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    if (!SSL_CTX_set_min_proto_version(ssl, o->min_version ? version_of(o->min_version) : TLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(ssl, o->max_version ? version_of(o->max_version) : 0))
        return EVL_EINVAL;
    return !o->ciphers || SSL_CTX_set_cipher_list(ssl, o->ciphers) ? 0 : EVL_EINVAL;
}

/* OpenSSL's would ask on the terminal. */
static int no_passphrase(char *buf, int cap, int writing, void *arg) {
    (void)buf, (void)cap, (void)writing, (void)arg;
    return 0;
}

/* OpenSSL asks when the server wants a certificate, and none was loaded. */
static int no_certificate(SSL *ssl, X509 **certificate, EVP_PKEY **key) {
    (void)certificate, (void)key;
    ((tls *)SSL_get_app_data(ssl))->asked = true;
    return 0;
}

static int32_t load_own(SSL_CTX *ssl, const evl_tls_context_options *o) {
    SSL_CTX_set_client_cert_cb(ssl, no_certificate);
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    if (!o->certificate)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(ssl, o->certificate) == 1 &&
        SSL_CTX_use_PrivateKey_file(ssl, o->key ? o->key : o->certificate, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(ssl) == 1)
        return 0;
    return tls_file_error();
}

/* Also for a client that does not verify: evl_tls_info says whether it could have been. */
static int32_t load_trusted(SSL_CTX *ssl, const evl_tls_context_options *o) {
    bool good = true;
    if (!o->ca_file && !o->ca_path)
        good = SSL_CTX_set_default_verify_paths(ssl) == 1;
    if (o->ca_file)
        good = SSL_CTX_load_verify_file(ssl, o->ca_file) == 1;
    if (good && o->ca_path)
        good = SSL_CTX_load_verify_dir(ssl, o->ca_path) == 1;
    if (good && o->ca_file && o->flags & EVL_TLS_SERVER) /* which of them a client may show */
        SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(o->ca_file));
    return good ? 0 : tls_file_error();
}

static int accept_any(int good, X509_STORE_CTX *store) {
    (void)good;
    (void)store;
    return 1;
}

static void set_verification(SSL_CTX *ssl, uint32_t flags) {
    if (flags & EVL_TLS_INSECURE)
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, accept_any);
    else if (!(flags & EVL_TLS_SERVER) || flags & EVL_TLS_REQUEST_CLIENT)
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (flags & EVL_TLS_REQUIRE_CLIENT)
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    /* A session belongs to those who ask for certificates alike. */
    if (flags & EVL_TLS_SERVER)
        SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"evloop", 6);
}

static int32_t set_up(evl_tls_context *context, const evl_tls_context_options *o) {
    int32_t rc = set_protocols(context->ssl, o);
    if (rc == 0)
        rc = load_own(context->ssl, o);
    if (rc == 0)
        rc = load_trusted(context->ssl, o);
    if (rc == 0)
        rc = tls_alpn_begin(context, o->alpn);
    set_verification(context->ssl, o->flags);
    tls_sessions_begin(context);
    ERR_clear_error();
    return rc;
}

int32_t evl_tls_context_new(const evl_tls_context_options *options, evl_tls_context **out) {
    static const evl_tls_context_options defaults = {.struct_size = sizeof defaults};
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    if (!options)
        options = &defaults;
    int32_t rc = check(options);
    if (rc != 0)
        return rc;
    evl_tls_context *context = calloc(1, sizeof *context);
    if (!context)
        return EVL_ENOMEM;
    if (pthread_mutex_init(&context->lock, NULL) != 0) {
        free(context);
        return EVL_ENOMEM;
    }
    atomic_init(&context->refs, 1);
    context->flags = options->flags;
    ERR_clear_error();
    context->ssl = SSL_CTX_new(options->flags & EVL_TLS_SERVER ? TLS_server_method() : TLS_client_method());
    rc = context->ssl ? set_up(context, options) : EVL_ENOMEM;
    if (rc != 0)
        evl_tls_context_unref(context);
    else
        *out = context;
    return rc;
}

evl_tls_context *evl_tls_context_ref(evl_tls_context *context) {
    if (context)
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
    return context;
}

void evl_tls_context_unref(evl_tls_context *context) {
    if (!context || atomic_fetch_sub(&context->refs, 1) != 1)
        return;
    for (tls_name *n = context->names, *next; n; n = next) {
        next = n->next;
        evl_tls_context_unref(n->context);
        free(n);
    }
    SSL_CTX_free(context->ssl);
    tls_sessions_end(context);
    pthread_mutex_destroy(&context->lock);
    free(context->alpn);
    free(context);
}

void *evl_tls_context_native(evl_tls_context *context) { return context ? context->ssl : NULL; }
