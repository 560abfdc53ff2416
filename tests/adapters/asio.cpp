// asio.cpp - evloop hosted by an asio::io_context.
#include "hosts.h"

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <evloop/adapters/asio.hpp>

namespace {

asio::io_context *context;
asio::steady_timer *host_timer;
evl_asio *attached;

void detach_in_callback(void *) { host_detach(); }

void detached_in_a_callback() {
    begin_host();
    CHECK_EQ(evl_call_soon(loop, detach_in_callback, nullptr), 0);
    context->run(); // nothing keeps it
    CHECK_EQ(evl_loop_destroy(loop), 0);
    host_free();
}

void no_work_without_its_loop() {
    begin_host();
    CHECK_EQ(evl_call_soon(loop, destroy_loop_in_callback, nullptr), 0);
    context->run();
    host_detach();
    host_free();
}

} // namespace

static void host_new(void) {
    context = new asio::io_context;
    host_timer = new asio::steady_timer(*context);
}

static void host_free(void) {
    delete host_timer;
    delete context;
}

static int32_t host_attach(evl_loop *l) { return evl_asio_attach(context->get_executor(), l, &attached); }
static void host_detach(void) { evl_asio_detach(attached); }

static void host_run(void) {
    auto work = asio::make_work_guard(*context);
    context->restart();
    context->run();
}

static void host_quit(void) { context->stop(); }

static void host_after(int ms, void (*fn)(void)) {
    host_timer->expires_after(std::chrono::milliseconds(ms));
    host_timer->async_wait([fn](const asio::error_code &error) {
        if (!error)
            fn();
    });
}

int main() {
    int rc = host_tests();
    if (rc == 0) {
        CASE(detached_in_a_callback);
        CASE(no_work_without_its_loop);
    }
    return rc == HOST_LEFT_OUT ? 0 : rc;
}
