/* bytes.c - bytes that come at one end and go at the other. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static bool reserve(httpd_bytes *b, size_t size) {
    if (b->from != 0 && b->cap - b->end < size) {
        memmove(b->data, b->data + b->from, b->end - b->from);
        b->end -= b->from;
        b->from = 0;
    }
    if (b->cap - b->end >= size)
        return true;
    if (size > SIZE_MAX / 2 - b->end)
        return false;
    size_t cap = b->cap ? b->cap : 512;
    while (cap - b->end < size)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

bool httpd_bytes_add(httpd_bytes *b, const void *data, size_t size) {
    if (size == SIZE_MAX || !reserve(b, size + 1))
        return false;
    if (size != 0)
        memcpy(b->data + b->end, data, size);
    b->end += size;
    b->data[b->end] = '\0';
    return true;
}

bool httpd_bytes_text(httpd_bytes *b, const char *text) { return httpd_bytes_add(b, text, strlen(text)); }

void httpd_bytes_drop(httpd_bytes *b, size_t n) {
    b->from += n;
    if (b->from == b->end)
        b->from = b->end = 0;
}

void httpd_bytes_clear(httpd_bytes *b) {
    if (b->cap > HTTPD_KEEP_MAX)
        httpd_bytes_free(b);
    b->from = b->end = 0;
}

void httpd_bytes_free(httpd_bytes *b) {
    free(b->data);
    *b = (httpd_bytes){0};
}
