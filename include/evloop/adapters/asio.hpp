/* evloop/adapters/asio.hpp - evloop hosted by Asio: an io_context whose threads run what is due on a loop.
 *
 *     evl_asio *attached;
 *     evl_asio_attach(io_context.get_executor(), loop, &attached);
 *     io_context.run(); // runs both
 *     evl_asio_detach(attached);
 *
 * For the asio of its own; define EVLOOP_BOOST_ASIO before including this for Boost's. Needs a backend with
 * EVL_CAP_LOOP_FD, which epoll and kqueue have. Only this header: link what Asio wants and evloop. */
#ifndef EVLOOP_ADAPTERS_ASIO_HPP
#define EVLOOP_ADAPTERS_ASIO_HPP

#include <cerrno>
#include <evloop.h>
#include <fcntl.h>
#include <memory>
#include <new>
#include <unistd.h>
#include <utility>

#ifdef EVLOOP_BOOST_ASIO
#    include <boost/asio/any_io_executor.hpp>
#    include <boost/asio/posix/stream_descriptor.hpp>
namespace evl_asio_of = boost::asio;
using evl_asio_error = boost::system::error_code;
#else
#    include <asio/any_io_executor.hpp>
#    include <asio/posix/stream_descriptor.hpp>
namespace evl_asio_of = asio;
using evl_asio_error = asio::error_code;
#endif

/* A loop on an executor; its members are the adapter's. */
struct evl_asio {
    evl_asio(evl_asio_of::any_io_executor executor, evl_loop *on)
        : descriptor(std::move(executor)), loop(evl_loop_ref(on)) {}
    evl_asio(const evl_asio &) = delete;
    evl_asio &operator=(const evl_asio &) = delete;
    ~evl_asio() { evl_loop_unref(loop); }

    static void wait(std::shared_ptr<evl_asio> a) {
        auto &descriptor = a->descriptor;
        descriptor.async_wait(evl_asio_of::posix::stream_descriptor::wait_read,
                              [a = std::move(a)](const evl_asio_error &error) mutable {
                                  if (error || !a->descriptor.is_open())
                                      return;
                                  if (evl_loop_dispatch(a->loop, nullptr, 0) >= 0 && a->descriptor.is_open())
                                      wait(std::move(a));
                              });
    }

    evl_asio_of::posix::stream_descriptor
        descriptor;                 // of a duplicate of the loop's fd, which outlives the loop
    evl_loop *loop;                 // a reference: the loop may be destroyed first
    std::shared_ptr<evl_asio> self; // until evl_asio_detach
};

/* Lets an executor run an evloop, one pass at a time. With several threads in the io_context pass a strand,
 * and use the loop in that strand only.
 *
 * Until evl_asio_detach, or the end of the loop, it is work that keeps io_context::run from returning.
 * evl_stop has no effect. The loop may be destroyed first, and evl_loop_close does not mind this; as
 * everything of Asio's it must be detached before its io_context is destroyed. Does not throw. Errors:
 * - EVL_EINVAL: loop is NULL.
 * - EVL_ENOTSUP: the loop's backend has no EVL_CAP_LOOP_FD.
 * - EVL_ENOMEM, EVL_EMFILE, EVL_ENFILE: out of memory or fds. */
inline int32_t evl_asio_attach(evl_asio_of::any_io_executor executor, evl_loop *loop, evl_asio **out) {
    *out = nullptr;
    if (!loop)
        return EVL_EINVAL;
    const evl_fd fd = evl_loop_fd(loop);
    if (fd < 0)
        return fd;
    const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return evl_err_from_errno(errno);
    try {
        auto a = std::make_shared<evl_asio>(std::move(executor), loop);
        evl_asio_error error;
        a->descriptor.assign(own, error);
        if (!error) {
            a->self = a;
            evl_asio::wait(a);
            *out = a.get();
            return 0;
        }
    } catch (const std::bad_alloc &) {
    }
    ::close(own);
    return EVL_ENOMEM;
}

/* Takes the evloop out of its host, also in a callback of either. NULL is allowed. */
inline void evl_asio_detach(evl_asio *attached) {
    if (!attached)
        return;
    const std::shared_ptr<evl_asio> last = std::move(attached->self);
    evl_asio_error error;
    last->descriptor.close(error);
}

#endif
