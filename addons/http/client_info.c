/* client_info.c - how a fetch went. */
#include "client.h"

#include <string.h>

static int64_t time_of(const evl_http_request *r, CURLINFO what) {
    curl_off_t us = 0;
    (void)curl_easy_getinfo(r->easy, what, &us);
    return (int64_t)us * EVL_US;
}

static int32_t number_of(const evl_http_request *r, CURLINFO what) {
    long value = 0;
    (void)curl_easy_getinfo(r->easy, what, &value);
    return (int32_t)value;
}

static const char *text_of(const evl_http_request *r, CURLINFO what) {
    char *text = NULL;
    (void)curl_easy_getinfo(r->easy, what, &text);
    return text ? text : "";
}

static uint64_t bytes_of(const evl_http_request *r, CURLINFO what) {
    curl_off_t n = 0;
    (void)curl_easy_getinfo(r->easy, what, &n);
    return (uint64_t)n;
}

static int32_t version_of(const evl_http_request *r) {
    switch (number_of(r, CURLINFO_HTTP_VERSION)) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    case CURL_HTTP_VERSION_3:
        return 30;
    default:
        return 0;
    }
}

int32_t evl_http_get_info(const evl_http_request *r, evl_http_info *out) {
    if (!r || !out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    evl_http_info info = {
        .struct_size = out->struct_size,
        .status = r->status,
        .version = version_of(r),
        .redirects = number_of(r, CURLINFO_REDIRECT_COUNT),
        .connections = number_of(r, CURLINFO_NUM_CONNECTS),
        .error = r->state == HTTP_OVER ? r->error : EVL_EINPROGRESS,
        .url = text_of(r, CURLINFO_EFFECTIVE_URL),
        .address = text_of(r, CURLINFO_PRIMARY_IP),
        .port = number_of(r, CURLINFO_PRIMARY_PORT),
        .name_ns = time_of(r, CURLINFO_NAMELOOKUP_TIME_T),
        .connect_ns = time_of(r, CURLINFO_CONNECT_TIME_T),
        .tls_ns = time_of(r, CURLINFO_APPCONNECT_TIME_T),
        .first_byte_ns = time_of(r, CURLINFO_STARTTRANSFER_TIME_T),
        .total_ns = time_of(r, CURLINFO_TOTAL_TIME_T),
        .received = bytes_of(r, CURLINFO_SIZE_DOWNLOAD_T),
        .sent = bytes_of(r, CURLINFO_SIZE_UPLOAD_T),
    };
    memcpy(out, &info, out->struct_size < sizeof info ? out->struct_size : sizeof info);
    return 0;
}

const char *evl_http_reason(const evl_http_request *r) { return r ? r->reason : ""; }
