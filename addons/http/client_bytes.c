/* client_bytes.c - bytes that come at one end and go at the other. */
#include "client.h"

#include <stdlib.h>
#include <string.h>

static bool reserve(http_bytes *b, size_t size) {
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

/* A 0 follows what is there, so that it is a text, too. */
bool http_bytes_add(http_bytes *b, const void *data, size_t size) {
    if (!reserve(b, size + 1))
        return false;
    if (size != 0)
        memcpy(b->data + b->end, data, size);
    b->end += size;
    b->data[b->end] = '\0';
    return true;
}

void http_bytes_drop(http_bytes *b, size_t n) {
    b->from += n;
    if (b->from == b->end)
        b->from = b->end = 0;
}

void http_bytes_free(http_bytes *b) {
    free(b->data);
    *b = (http_bytes){0};
}
