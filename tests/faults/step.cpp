#include "step.hpp"

#include <gtest/gtest.h>

namespace faults {

Step::Step(Stage &stage) : stage_(stage) { EXPECT_EQ(evl_op_init(&op, heard, this, 0), 0); }

Step::~Step() { EXPECT_EQ(evl_op_close(&op), 0); }

void Step::heard(void *arg, int64_t result) {
    auto *step = static_cast<Step *>(arg);
    EXPECT_EQ(step->times++, 0) << "it completes once";
    step->result = result;
    if (result < 0)
        step->stage_.tell(result);
}

bool Step::start(const std::function<int32_t(evl_op *op)> &call) {
    return stage_.attempt([&] { return call(&op); }) >= 0;
}

bool Step::wait() {
    stage_.run_until([&] { return times > 0; });
    stage_.expect(times > 0, "an operation completes");
    return times > 0;
}

void end(evl_stream *stream) { EXPECT_EQ(evl_stream_abort(stream), 0); }

void end(Ends &ends) {
    end(std::exchange(ends.near, nullptr));
    end(std::exchange(ends.far, nullptr));
}

Address local_of(Stage &s, const evl_server *server, int32_t n) {
    Address out;
    int32_t length = 0;
    for (int i = 0; i < 2 && length <= 0; i++)
        length = s.attempt([&] { return evl_server_local(server, n, out.bytes, sizeof out.bytes); });
    out.length = length > 0 ? static_cast<uint32_t>(length) : 0;
    return out;
}

Ends meet(Stage &s, evl_server *server, const std::function<int32_t(evl_op *op, evl_stream **out)> &connect) {
    Ends ends;
    Step accepted(s), made(s);
    if (accepted.start([&](evl_op *op) { return evl_server_accept_op(server, op, &ends.far); }) &&
        made.start([&](evl_op *op) { return connect(op, &ends.near); })) {
        s.run_until([&] { return made.times > 0 && (accepted.times > 0 || made.result < 0); });
        s.expect(ends.both(), "they meet");
    }
    EXPECT_EQ(ends.near != nullptr, made.times > 0 && made.result == 0) << "a stream, or an error";
    EXPECT_EQ(ends.far != nullptr, accepted.times > 0 && accepted.result == 0);
    return ends;
}

// As two pieces and once more.
static bool say(Stage &s, evl_stream *to, const std::string &text) {
    auto length = static_cast<int64_t>(text.size());
    evl_buf pieces[] = {{text.data(), 2}, {text.data() + 2, text.size() - 2}};
    int64_t first = evl_stream_writev(to, pieces, 2);
    int64_t second = first == length ? evl_stream_write(to, text.data(), text.size()) : length;
    for (int64_t n : {first, second})
        if (n < 0)
            s.tell(n);
        else if (n < length)
            s.expect(false, "all is taken");
    return first == length && second == length;
}

bool talk(Stage &s, evl_stream *from, evl_stream *to, const std::string &text) {
    std::string got(text.size() * 2, '\0');
    if (!say(s, from, text))
        return false;
    Step read(s);
    if (!read.run([&](evl_op *op) { return evl_stream_read_exactly(to, op, got.data(), got.size()); }) ||
        read.result < 0)
        return false;
    EXPECT_EQ(got, text + text) << "what was written is read";
    return true;
}

} // namespace faults
