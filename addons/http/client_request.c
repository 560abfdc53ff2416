/* client_request.c - what to ask for, as libcurl has to be told. */
#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_REDIRECTS = 10, CONNECT_SECONDS = 30 };
#define MAX_BODY (UINT64_C(64) << 20)

/* --- checks ----------------------------------------------------------------------------------- */

static bool is_token(const char *text) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    if (*text == '\0')
        return false;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            !strchr(others, c))
            return false;
    }
    return true;
}

static bool is_header(const char *line) {
    const char *colon = line ? strchr(line, ':') : NULL;
    return colon && colon != line && !strpbrk(line, "\r\n");
}

static int32_t check_url(const char *url) {
    CURLU *parsed = curl_url();
    char *scheme = NULL;
    if (!parsed)
        return EVL_ENOMEM;
    CURLUcode rc = curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (rc == CURLUE_OK)
        rc = curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0);
    bool good = rc == CURLUE_OK && (strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(parsed);
    return good ? 0 : rc == CURLUE_OUT_OF_MEMORY ? EVL_ENOMEM : EVL_EHTTP_URL;
}

static int32_t check(const evl_http_request_options *o) {
    if (o->struct_size < sizeof *o || o->flags & ~(uint32_t)(EVL_HTTP_STREAM | EVL_HTTP_UPLOAD) || !o->url)
        return EVL_EINVAL;
    if (o->connect_timeout_ns < 0 || o->stall_timeout_ns < 0 || o->timeout_ns < 0 || o->max_redirects < -1)
        return EVL_EINVAL;
    if ((o->method && !is_token(o->method)) || (o->headers_count != 0 && !o->headers))
        return EVL_EINVAL;
    if (o->flags & EVL_HTTP_UPLOAD ? o->body != NULL : o->body_size != 0 && !o->body)
        return EVL_EINVAL;
    for (uint32_t i = 0; i < o->headers_count; i++)
        if (!is_header(o->headers[i]))
            return EVL_EINVAL;
    return check_url(o->url);
}

/* --- the request ------------------------------------------------------------------------------ */

static bool has_header(const evl_http_request_options *o, const char *name) {
    size_t len = strlen(name);
    for (uint32_t i = 0; i < o->headers_count; i++)
        if (strncasecmp(o->headers[i], name, len) == 0 && o->headers[i][len] == ':')
            return true;
    return false;
}

static int32_t send_header(evl_http_request *r, const char *line) {
    struct curl_slist *list = curl_slist_append(r->sent_headers, line);
    if (!list)
        return EVL_ENOMEM;
    r->sent_headers = list;
    return 0;
}

/* libcurl would add a type of its own, and wait for 100 Continue. */
static int32_t set_headers(evl_http_request *r, const evl_http_request_options *o, bool chunked) {
    int32_t rc = 0;
    for (uint32_t i = 0; rc == 0 && i < o->headers_count; i++)
        rc = send_header(r, o->headers[i]);
    if (rc == 0 && !has_header(o, "Expect"))
        rc = send_header(r, "Expect:");
    if (rc == 0 && !has_header(o, "Content-Type"))
        rc = send_header(r, "Content-Type:");
    if (rc == 0 && chunked && !has_header(o, "Transfer-Encoding"))
        rc = send_header(r, "Transfer-Encoding: chunked");
    if (rc == 0)
        rc = curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->sent_headers) == CURLE_OK ? 0 : EVL_ENOMEM;
    return rc;
}

/* Memory to be sent, once more if the server wants that. */
static int32_t set_body(evl_http_request *r, const evl_http_request_options *o) {
    r->uploaded = (o->flags & EVL_HTTP_UPLOAD) != 0;
    http_upload_prepare(r);
    if (r->uploaded || o->body_size == 0)
        return 0;
    if (!http_bytes_add(&r->upload, o->body, o->body_size))
        return EVL_ENOMEM;
    r->upload_ended = true;
    return 0;
}

/* What libcurl calls POST becomes GET where a redirect says so; all else stays as it is. */
static int32_t set_method(evl_http_request *r, const evl_http_request_options *o) {
    bool body = o->body_size != 0 || o->flags & EVL_HTTP_UPLOAD;
    curl_off_t size = o->flags & EVL_HTTP_UPLOAD && o->body_size == 0 ? -1 : (curl_off_t)o->body_size;
    const char *method = o->method ? o->method : body ? "POST" : "GET";
    CURLcode rc = CURLE_OK;
    if (strcmp(method, "POST") == 0) {
        rc = curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, size);
        if (!body)
            rc = curl_easy_setopt(r->easy, CURLOPT_COPYPOSTFIELDS, "");
    } else if (body) {
        (void)curl_easy_setopt(r->easy, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(r->easy, CURLOPT_INFILESIZE_LARGE, size);
        rc = curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, method);
    } else if (strcmp(method, "HEAD") == 0)
        rc = curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L);
    else if (strcmp(method, "GET") != 0)
        rc = curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, method);
    if (rc != CURLE_OK)
        return EVL_ENOMEM;
    return set_headers(r, o, body && size < 0);
}

/* --- limits ----------------------------------------------------------------------------------- */

static int64_t or_else(int64_t own, int64_t of_session, int64_t otherwise) {
    return own != 0 ? own : of_session != 0 ? of_session : otherwise;
}

/* Rounded up; 0 is none, for libcurl, too. */
static long milliseconds(int64_t ns) {
    if (ns >= INT32_MAX * EVL_MS)
        return 0;
    return (long)((ns + EVL_MS - 1) / EVL_MS);
}

static void set_limits(evl_http_request *r, const evl_http_request_options *o) {
    const evl_http_session_options *s = &r->session->o;
    int64_t connect = or_else(o->connect_timeout_ns, s->connect_timeout_ns, CONNECT_SECONDS * EVL_SECOND);
    int64_t redirects = or_else(o->max_redirects, s->max_redirects, MAX_REDIRECTS);
    r->streamed = (o->flags & EVL_HTTP_STREAM) != 0;
    r->stall_ns = or_else(o->stall_timeout_ns, s->stall_timeout_ns, 0);
    if (r->stall_ns == EVL_NEVER)
        r->stall_ns = 0;
    r->max_body = o->max_body ? o->max_body : s->max_body ? s->max_body : r->streamed ? UINT64_MAX : MAX_BODY;
    r->follows = redirects > 0;
    (void)curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS,
                           connect >= INT32_MAX * EVL_MS ? (long)INT32_MAX : milliseconds(connect));
    (void)curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS,
                           milliseconds(or_else(o->timeout_ns, s->timeout_ns, 0)));
    (void)curl_easy_setopt(r->easy, CURLOPT_FOLLOWLOCATION, r->follows ? 1L : 0L);
    (void)curl_easy_setopt(r->easy, CURLOPT_MAXREDIRS, (long)redirects);
}

/* --- what the session says -------------------------------------------------------------------- */

static CURLcode set_text(CURL *easy, CURLoption option, const char *text) {
    return text ? curl_easy_setopt(easy, option, text) : CURLE_OK;
}

static int32_t set_session(evl_http_request *r) {
    const evl_http_session_options *s = &r->session->o;
    CURL *e = r->easy;
    CURLcode rc = CURLE_OK;
    (void)curl_easy_setopt(e, CURLOPT_SHARE, r->session->share);
    if (s->flags & EVL_HTTP_COOKIES)
        rc |= curl_easy_setopt(e, CURLOPT_COOKIEFILE, "");
    if (s->flags & EVL_HTTP_INSECURE) {
        (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    (void)curl_easy_setopt(
        e, CURLOPT_HTTP_VERSION,
        (long)(s->flags & EVL_HTTP_1_ONLY ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
    (void)curl_easy_setopt(e, CURLOPT_PIPEWAIT, s->flags & EVL_HTTP_1_ONLY ? 0L : 1L);
    if (!(s->flags & EVL_HTTP_PLAIN))
        rc |= curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
    rc |= set_text(e, CURLOPT_PROXY, s->proxy);
    rc |= set_text(e, CURLOPT_NOPROXY, s->no_proxy);
    rc |= set_text(e, CURLOPT_CAINFO, s->ca_file);
    if (s->ca_file || s->ca_path)
        rc |= curl_easy_setopt(e, CURLOPT_CAPATH, s->ca_path);
    if (!s->ca_file && s->ca_path)
        rc |= curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
    rc |= set_text(e, CURLOPT_SSLCERT, s->certificate);
    rc |= set_text(e, CURLOPT_SSLKEY, s->key);
    if (!s->user_agent || *s->user_agent)
        rc |= curl_easy_setopt(e, CURLOPT_USERAGENT, s->user_agent ? s->user_agent : "evloop/0.1");
    return rc == CURLE_OK ? 0 : EVL_ENOMEM;
}

/* No signals, and no waiting for a thread that looks up a name when its request has ended. */
static int32_t set_up(evl_http_request *r, const evl_http_request_options *o) {
    CURL *e = r->easy;
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->reason);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set_limits(r, o);
    http_sockets_prepare(r);
    http_headers_prepare(r);
    http_body_prepare(r);
    http_fetch_prepare(r);
    if (curl_easy_setopt(e, CURLOPT_URL, o->url) != CURLE_OK)
        return EVL_ENOMEM;
    int32_t rc = set_session(r);
    if (rc == 0)
        rc = set_body(r, o);
    return rc == 0 ? set_method(r, o) : rc;
}

int32_t evl_http_request_new(evl_http_session *session, const evl_http_request_options *options,
                             evl_http_request **out) {
    if (!out)
        return EVL_EINVAL;
    *out = NULL;
    if (!session || !options)
        return EVL_EINVAL;
    int32_t rc = session->multi ? check(options) : EVL_ECLOSED;
    if (rc != 0)
        return rc;
    evl_http_request *r = calloc(1, sizeof *r);
    if (!r)
        return EVL_ENOMEM;
    http_list_init(&r->link);
    r->session = session;
    session->refs++;
    rc = http_fetch_init(r);
    r->easy = curl_easy_init();
    if (rc == 0)
        rc = r->easy ? set_up(r, options) : EVL_ENOMEM;
    if (rc == 0)
        *out = r;
    else
        evl_http_request_free(r);
    return rc;
}

void evl_http_request_free(evl_http_request *r) {
    if (!r)
        return;
    evl_http_session *s = r->session;
    http_end(r, EVL_ECLOSED);
    (void)evl_close(evl_lookup(s->loop, r->stall));
    curl_easy_cleanup(r->easy);
    curl_slist_free_all(r->sent_headers);
    http_bytes_free(&r->body);
    http_bytes_free(&r->upload);
    http_bytes_free(&r->texts);
    free(r->headers);
    free(r);
    http_session_unref(s);
}
