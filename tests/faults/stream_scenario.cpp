// stream_scenario.cpp - what the walks play with streams. Who meets an error tells it and goes on with what
// is left.
#include "stage.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace faults {
namespace {

// One operation after another: starts it, and waits for what it completes with.
struct Step {
    explicit Step(Stage &stage) : s(stage), ear(stage.ear()) {
        ear->may_end = true;
        EXPECT_EQ(evl_op_init(&op, heard, this, 0), 0);
    }
    Step(const Step &) = delete;
    ~Step() { EXPECT_EQ(evl_op_close(&op), 0); }
    static void heard(void *arg, int64_t result) {
        auto *step = static_cast<Step *>(arg);
        step->times++;
        step->result = result;
        if (result < 0)
            step->s.tell(result);
    }
    bool start(const std::function<int32_t()> &call) { return s.attempt(call) >= 0; }
    bool wait() {
        s.run_until([&] { return times > 0; });
        return times > 0;
    }
    Stage &s;
    Ear *ear;
    evl_op op;
    int times = 0;
    int64_t result = 0;
};

struct Ends {
    evl_stream *near = nullptr, *far = nullptr;
};

void end(evl_stream *s) {
    if (s) {
        EXPECT_EQ(evl_stream_abort(s), 0);
    }
}

bool talk(Stage &s, evl_stream *from, evl_stream *to, const char *text) {
    char buf[64] = {};
    auto n = static_cast<int32_t>(std::strlen(text));
    evl_buf halves[] = {{text, 2}, {text + 2, static_cast<size_t>(n - 2)}};
    if (s.attempt([&] { return static_cast<int32_t>(evl_stream_writev(from, halves, 2)); }) != n)
        return false;
    if (s.attempt(
            [&] { return static_cast<int32_t>(evl_stream_write(from, text, static_cast<size_t>(n))); }) != n)
        return false;
    Step read(s);
    if (!read.start([&] { return evl_stream_read_exactly(to, &read.op, buf, static_cast<size_t>(2 * n)); }) ||
        !read.wait())
        return false;
    s.expect(read.result == 2 * n && std::string(buf) == std::string(text) + text,
             "what was written is read");
    return read.result == 2 * n;
}

} // namespace

// A pipe's two ends, a file through them, and more than fits.
void piped(Stage &s) {
    support::Pipe &pipe = s.pipe();
    if (!s.make())
        return;
    support::Fd file = support::regular_file();
    EXPECT_EQ(::pwrite(file, "the file", 8, 0), 8);
    Ends ends;
    s.attempt([&] { return evl_stream_open(s.loop, pipe.w, EVL_STREAM_KEEP_FD, &ends.near); });
    s.attempt([&] { return evl_stream_open(s.loop, pipe.r, EVL_STREAM_KEEP_FD, &ends.far); });
    if (ends.near && ends.far && talk(s, ends.near, ends.far, "through a pipe")) {
        Step sent(s), read(s), flushed(s);
        char buf[16] = {};
        if (sent.start([&] { return evl_stream_sendfile(ends.near, &sent.op, file, 0, 0); }) && sent.wait() &&
            sent.result == 8 &&
            read.start([&] { return evl_stream_read_exactly(ends.far, &read.op, buf, 8); }) && read.wait())
            s.expect(std::string(buf) == "the file", "a file comes");
        std::string much(200000, 'm');
        size_t seen = 0;
        if (s.attempt([&] {
                return static_cast<int32_t>(evl_stream_write(ends.near, much.data(), much.size()));
            }) == 200000 &&
            flushed.start([&] { return evl_stream_flush(ends.near, &flushed.op); })) {
            std::string room(65536, '\0');
            s.run_until([&] {
                int64_t n; // a short read leaves the pipe full, and nobody would be woken
                while ((n = evl_stream_try_read(ends.far, room.data(), room.size())) > 0)
                    seen += static_cast<size_t>(n);
                if (n < 0 && n != EVL_EAGAIN)
                    s.tell(n);
                return seen == much.size();
            });
            s.expect(seen == much.size(), "all of it comes");
        }
    }
    end(ends.near);
    end(ends.far);
}

} // namespace faults
