/* fds.h - private header of fds that are passed over Unix sockets: stream_fds.c (receiving) and write_fds.c
 * (sending). */
#ifndef EVL_CORE_FDS_H
#define EVL_CORE_FDS_H

#include "stream.h"

#define EVL_FDS_MAX 253 /* of one message: Linux's SCM_MAX_FD; other kernels take about as many */

/* Room for the fds of a message, and for what else a socket may be set to report. */
typedef union evl_fds_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(EVL_FDS_MAX * sizeof(int)) + 256];
} evl_fds_control;

/* Those that came and were not taken. */
typedef struct evl_held_fds {
    uint32_t cap, max, count; /* the program's limit may be lower than the room, or than what is held */
    int fds[];
} evl_held_fds;

/* Those that go with the first byte of a chunk: duplicates, closed when they are sent. */
typedef struct evl_chunk_fds {
    int count;
    int fds[];
} evl_chunk_fds;

/* 0 for a Unix socket without a transport, else EVL_ENOTSUP or what the system reports. */
int evl_stream_check_passing(const evl_stream_handle *s);

#endif
