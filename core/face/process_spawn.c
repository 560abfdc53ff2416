/* process_spawn.c - starting a child, with streams for its pipes: what processes and streams are put together
 * for, which know nothing of each other. */
#include "../base/compiler.h"
#include "../system/process.h"
#include <evloop/stream.h>
#include <stdbool.h>
#include <stddef.h>

static void undo_streams(evl_process_setup *setup, const evl_process_options *options) {
    (void)setup;
    for (uint32_t i = 0; options->streams && i < options->stdio_count; i++) {
        (void)evl_stream_abort(options->streams[i]);
        options->streams[i] = NULL;
    }
}

static int open_streams(evl_process_setup *setup, const evl_process_options *options, int32_t *fds) {
    for (uint32_t i = 0; options->streams && i < options->stdio_count; i++) {
        int rc = fds[i] >= 0 ? evl_stream_open(setup->loop, fds[i], 0, &options->streams[i]) : 0;
        if (rc != 0) {
            undo_streams(setup, options);
            return rc;
        }
        fds[i] = -1;
    }
    return 0;
}

static void clear_streams(const evl_process_options *options) {
    bool has =
        options && options->struct_size >= offsetof(evl_process_options, streams) + sizeof options->streams;
    for (uint32_t i = 0; has && options->streams && i < options->stdio_count; i++)
        options->streams[i] = NULL;
}

int32_t evl_process_spawn(evl_loop *loop, const evl_process_options *options, evl_done_fn *fn, void *arg,
                          evl_process **out) {
    evl_process_setup setup = {.open = open_streams, .undo = undo_streams, .loop = loop};
    clear_streams(options);
    return evl_process_start(loop, options, &setup, fn, arg, out);
}
