/* source.c - fetching, as far as it is the same in all styles: connect, read, compare, count. */
#define _DEFAULT_SOURCE
#include "run.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Written by whoever fetches the source, one thread of one process; watched by the process that reports. */
struct tally {
    _Atomic uint64_t got, reads;
    _Atomic int ended;
    _Atomic int error; /* an errno, or one of these */
};
enum { DIFFERS = -1, TOO_LONG = -2 };

int tallies_new(source *sources, int count) {
    size_t size = (size_t)count * sizeof(struct tally);
    struct tally *tallies = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tallies == MAP_FAILED)
        return -errno;
    for (int i = 0; i < count; i++)
        sources[i].tally = &tallies[i];
    return 0;
}

void tallies_reset(source *sources, int count) {
    for (int i = 0; i < count; i++) {
        struct tally *t = sources[i].tally;
        t->got = t->reads = 0;
        t->ended = t->error = 0;
    }
}

uint64_t source_got(const source *s) { return s->tally->got; }

uint64_t source_reads(const source *s) { return s->tally->reads; }

const char *source_problem(const source *s, char *buf, size_t size) {
    int error = s->tally->error;
    unsigned long long got = s->tally->got;
    if (error == 0 && s->tally->ended && got == s->size)
        return NULL;
    if (error == DIFFERS)
        snprintf(buf, size, "%s differs after byte %llu", s->path, got);
    else if (error == TOO_LONG)
        snprintf(buf, size, "%s goes on after its last byte", s->path);
    else if (error != 0)
        snprintf(buf, size, "%s after byte %llu: %s", s->path, got, strerror(error));
    else
        snprintf(buf, size, "%s %s after %llu of %zu bytes", s->path, s->tally->ended ? "ended" : "was left",
                 got, s->size);
    return buf;
}

int source_open(source *s, int nonblocking) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(s->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && (!nonblocking || fcntl(fd, F_SETFL, O_NONBLOCK) == 0) &&
        (connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0 || errno == EINPROGRESS))
        return fd;
    int error = errno;
    s->tally->error = error;
    if (fd >= 0)
        close(fd);
    return -error;
}

static int end(source *s, int error) {
    s->tally->error = error;
    s->tally->ended = 1;
    return 0;
}

int source_take(source *s, const void *data, int64_t n) {
    struct tally *t = s->tally;
    size_t got = atomic_load_explicit(&t->got, memory_order_relaxed);
    uint64_t reads = atomic_load_explicit(&t->reads, memory_order_relaxed);
    atomic_store_explicit(&t->reads, reads + 1,
                          memory_order_relaxed); /* only one writes: no need to add atomically */
    if (n < 0) {
        /* ENOTCONN is how some systems say that a connect is still going on. */
        if (n == -EAGAIN || n == -EWOULDBLOCK || n == -EINTR || n == -ENOTCONN)
            return 1;
        return end(s, (int)-n);
    }
    if (n == 0)
        return end(s, 0);
    if ((size_t)n > s->size - got)
        return end(s, TOO_LONG);
    if (memcmp(data, s->data + got, (size_t)n) != 0)
        return end(s, DIFFERS);
    atomic_store_explicit(&t->got, got + (size_t)n, memory_order_relaxed);
    return 1;
}

int source_read(source *s, int fd) {
    char buf[16384];
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    return source_take(s, buf, n < 0 ? -errno : n);
}

void source_fetch(source *s) {
    int fd = source_open(s, 0);
    if (fd < 0)
        return;
    while (source_read(s, fd))
        ;
    close(fd);
}
