// leaf_test.cpp - the allocator and the functions of a transport may not call their loop: a library built
// with EVLOOP_CHECKS ends the process where one does.
#include "streams.hpp"

using namespace streams;

namespace {

void nothing(void *) {}

// Another loop is not meant, nor is what signal handlers may call.
struct Plain {
    Plain() { EXPECT_EQ(evl_loop_new(&loop, nullptr), 0); }
    Plain(const Plain &) = delete;
    ~Plain() { evl_loop_destroy(loop); }
    evl_loop *loop = nullptr;
};

// An allocator that does something on the way.
struct Allocator {
    Allocator() {
        evl_options options{};
        options.struct_size = sizeof options;
        options.alloc = [](void *ctx, void *ptr, size_t old_size, size_t new_size) {
            auto *self = static_cast<Allocator *>(ctx);
            if (self->deed && new_size != 0)
                self->deed();
            return Memory::resize(&self->memory, ptr, old_size, new_size);
        };
        options.alloc_ctx = this;
        EXPECT_EQ(evl_loop_new(&loop, &options), 0);
    }
    Allocator(const Allocator &) = delete;
    ~Allocator() {
        deed = nullptr;
        evl_loop_destroy(loop);
    }
    // Something that allocates, with the deed.
    void allocate(std::function<void()> what) {
        deed = std::move(what);
        evl_future *future = nullptr;
        EXPECT_EQ(evl_future_new(loop, &future), 0);
        deed = nullptr;
        evl_future_unref(future);
    }
    Memory memory;
    std::function<void()> deed;
    evl_loop *loop = nullptr;
};

// A transport whose function of that number does something.
struct Through {
    enum Which { read, write, want, shutdown, close, flush, count };

    explicit Through(evl_loop *of) : loop(of) {
        Pair pair;
        fd = give(pair.a);
        peer = std::move(pair.b);
        EXPECT_EQ(evl_stream_open_on(loop, fd, &table, this, &stream), 0);
    }
    Through(const Through &) = delete;
    ~Through() { evl_stream_abort(stream); }

    // Has every function called.
    void use() {
        char byte;
        (void)evl_stream_try_read(stream, &byte, 1);
        (void)evl_stream_write(stream, "x", 1);
        evl_op_init(&op, [](void *, int64_t) {}, nullptr, 0);
        (void)evl_stream_shutdown(stream, &op);
        (void)evl_loop_run(loop, EVL_RUN_NOWAIT);
        evl_stream_abort(stream);
        stream = nullptr;
        evl_op_close(&op);
    }
    static int32_t enter(void *self, Which which) {
        auto *t = static_cast<Through *>(self);
        if (t->which == which)
            t->deed(t);
        return 0;
    }
    evl_transport table = {
        sizeof(evl_transport),
        [](void *self, void *, size_t) -> int64_t { return enter(self, read) + EVL_EAGAIN; },
        [](void *self, const evl_buf *bufs, int32_t) {
            return enter(self, write) + static_cast<int64_t>(bufs->len);
        },
        [](void *self) { return static_cast<uint32_t>(enter(self, want) + EVL_READ); },
        [](void *self) { return enter(self, shutdown); },
        [](void *self, int32_t) {
            enter(self, close);
            ::close(static_cast<Through *>(self)->fd);
        },
        [](void *self) { return enter(self, flush); },
    };
    evl_loop *loop;
    int fd;
    Fd peer;
    evl_stream *stream = nullptr;
    evl_op op{};
    Which which = count;
    std::function<void(Through *)> deed;
};

// What is allowed is done by every function, in every build.
TEST(Leaf, AnotherLoopAndAWakeMayBeUsed) {
    Plain other;
    Allocator a;
    a.allocate([&] {
        EXPECT_EQ(evl_call_soon(other.loop, nothing, nullptr), 0);
        EXPECT_EQ(evl_wake(a.loop), 0);
    });
    for (int which = 0; which < Through::count; which++) {
        Through t(a.loop);
        bool done = false;
        t.which = static_cast<Through::Which>(which);
        t.deed = [&](Through *) {
            done = true;
            EXPECT_EQ(evl_call_soon(other.loop, nothing, nullptr), 0);
            EXPECT_EQ(evl_wake(a.loop), 0);
        };
        t.use();
        EXPECT_TRUE(done) << which;
    }
}

#if defined(EVLOOP_CHECKS)

constexpr const char *found = "has called its loop";

// In the child that dies, for a loop of its parent would refuse every call there.
void allocate(void (*deed)(evl_loop *loop, evl_op *op)) {
    Allocator a;
    evl_op op;
    evl_op_init(&op, [](void *, int64_t) {}, nullptr, 0);
    evl_sleep(a.loop, &op, 1000);
    a.allocate([&] { deed(a.loop, &op); });
    evl_op_close(&op);
}

TEST(Leaf, AnAllocatorThatCallsItsLoopIsFound) {
    EXPECT_DEATH(allocate([](evl_loop *loop, evl_op *) { evl_call_soon(loop, nothing, nullptr); }), found);
    EXPECT_DEATH(allocate([](evl_loop *loop, evl_op *) { evl_post(loop, nothing, nullptr); }), found);
    EXPECT_DEATH(allocate([](evl_loop *, evl_op *op) { evl_op_cancel(op); }), found);
    EXPECT_DEATH(allocate([](evl_loop *, evl_op *op) { evl_op_close(op); }), found);
    EXPECT_DEATH(allocate([](evl_loop *loop, evl_op *) { evl_loop_destroy(loop); }), found);
}

void transfer(int which, void (*deed)(Through *)) {
    Plain plain;
    Through t(plain.loop);
    t.which = static_cast<Through::Which>(which);
    t.deed = deed;
    t.use();
}

TEST(Leaf, ATransportThatCallsItsLoopIsFound) {
    for (int which = 0; which < Through::count; which++) {
        EXPECT_DEATH(transfer(which, [](Through *t) { evl_stream_queued(t->stream); }), found) << which;
        EXPECT_DEATH(transfer(which, [](Through *t) { evl_close(t->stream); }), found) << which;
    }
}

#endif

} // namespace
