// cancel_test.cpp - every way to end a fetch, at every stage.
#include "http.hpp"

#include <csignal>
#include <sys/wait.h>

using namespace http;

namespace {

const Options real{.clock = EVL_CLOCK_REAL};

// How far the fetch has come when it is ended.
enum class Stage { at_once, in_line, connecting, sent, in_headers, in_body, paused };
constexpr Stage stages[] = {Stage::at_once,    Stage::in_line, Stage::connecting, Stage::sent,
                            Stage::in_headers, Stage::in_body, Stage::paused};

// A server that stops where the stage says, and a fetch that has come there.
struct Staged {
    explicit Staged(Stage the_stage) : stage(the_stage) {
        if (stage == Stage::in_line) {
            blocker = std::make_unique<Fetch>(w, *session, server.url("/blocks"));
            blocker->start();
        }
        What what{.url = server.url()};
        if (stage == Stage::connecting)
            what.url = full.url();
        if (stage == Stage::paused || stage == Stage::in_body)
            what.flags = EVL_HTTP_STREAM;
        fetch = std::make_unique<Fetch>(w, *session, what);
        fetch->start();
        if (stage == Stage::connecting) {
            EXPECT_GE(w.once(), 0);
        }
        if (stage >= Stage::sent)
            until(w, [this] { return came(); });
    }
    Staged(const Staged &) = delete;
    ~Staged() {
        fetch.reset();
        blocker.reset();
        session.reset();
    }
    bool came() const {
        switch (stage) {
        case Stage::sent:
            return server_has_it;
        case Stage::in_headers:
            return fetch->info().first_byte_ns != 0;
        case Stage::in_body:
            return fetch->done() && fetch->body() == "half";
        case Stage::paused:
            return fetch->done() && fetch->body().size() >= 65536;
        default:
            return true;
        }
    }
    void serve(Peer &peer) {
        if (peer.head().empty())
            return;
        server_has_it = true;
        if (stage == Stage::in_headers)
            peer.send("HTTP/1.1 200 OK\r\nX: ");
        if (stage == Stage::in_body)
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        if (stage == Stage::paused) {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            const std::string much(65536, 'x');
            while (peer.send(much)) {
            }
        }
        peer.wait_for_end(); // it is closed, and soon
    }

    Stage stage;
    std::atomic<bool> server_has_it = false;
    Server server{[this](Peer &peer) { serve(peer); }};
    Full full;
    World w{real};
    std::unique_ptr<Session> session = std::make_unique<Session>(w, [this] {
        evl_http_session_options options{};
        options.max_fetches = stage == Stage::in_line ? 1 : 0;
        return options;
    }());
    std::unique_ptr<Fetch> blocker, fetch;
    // In pieces the fetch is over when there are headers.
    int64_t expected(int64_t code) const { return stage >= Stage::in_body ? 200 : code; }
};

template <class Act>
void at_each_stage(Act act) {
    for (const Stage stage : stages) {
        SCOPED_TRACE(static_cast<int>(stage));
        Staged s(stage);
        act(s);
    }
}

TEST(HttpCancel, TheOperation) {
    at_each_stage([](Staged &s) {
        if (s.stage >= Stage::in_body)
            return; // it is over
        EXPECT_EQ(evl_op_cancel(s.fetch->op), 1);
        EXPECT_EQ(s.fetch->wait(), EVL_ECANCELED);
        if (s.blocker)
            evl_http_abort(s.blocker->request);
        EXPECT_EQ(s.w.run(), 0) << "nothing is left";
        EXPECT_EQ(s.fetch->info().error, EVL_ECANCELED);
    });
}

TEST(HttpCancel, ByADeadline) {
    at_each_stage([](Staged &s) {
        if (s.stage >= Stage::in_body)
            return;
        EXPECT_EQ(evl_op_timeout(s.fetch->op, ms), 0);
        EXPECT_EQ(s.fetch->wait(), EVL_ETIMEDOUT);
        if (s.blocker)
            evl_http_abort(s.blocker->request);
        EXPECT_EQ(s.w.run(), 0);
    });
}

TEST(HttpCancel, Closed) {
    at_each_stage([](Staged &s) {
        EXPECT_EQ(evl_op_close(s.fetch->op), 0);
        evl_http_abort(s.fetch->request);
        if (s.blocker)
            evl_http_abort(s.blocker->request);
        EXPECT_EQ(s.w.run(), 0);
        EXPECT_EQ(s.fetch->result, s.stage >= Stage::in_body ? 200 : Fetch::running);
    });
}

TEST(HttpCancel, Aborted) {
    at_each_stage([](Staged &s) {
        evl_http_abort(s.fetch->request);
        EXPECT_EQ(s.fetch->wait(), s.expected(EVL_ECANCELED));
        EXPECT_EQ(s.fetch->info().error, EVL_ECANCELED);
        evl_http_abort(s.fetch->request);
        evl_http_abort(nullptr);
    });
}

TEST(HttpCancel, RequestFreed) {
    at_each_stage([](Staged &s) {
        s.fetch->free();
        EXPECT_EQ(s.fetch->wait(), s.expected(EVL_ECLOSED));
    });
}

TEST(HttpCancel, SessionClosed) {
    at_each_stage([](Staged &s) {
        s.session->close();
        EXPECT_EQ(s.fetch->wait(), s.expected(EVL_ECLOSED));
        EXPECT_EQ(s.w.run(), 0);
        EXPECT_EQ(evl_http_fetch(s.fetch->request, s.fetch->op), EVL_ECLOSED);
    });
}

TEST(HttpCancel, LoopDestroyed) {
    for (const bool session_first : {false, true})
        at_each_stage([&](Staged &s) {
            EXPECT_EQ(evl_loop_destroy(std::exchange(s.w.loop, nullptr)), 0);
            EXPECT_FALSE(evl_op_active(s.fetch->op));
            EXPECT_EQ(evl_http_fetch(s.fetch->request, s.fetch->op), EVL_ECLOSED);
            EXPECT_EQ(evl_http_session_loop(*s.session), nullptr);
            if (session_first)
                s.session->close();
        });
}

// A program that closes every handle that it finds takes the session's, too.
TEST(HttpCancel, EveryHandleClosed) {
    at_each_stage([](Staged &s) {
        uint64_t ids[64];
        const int32_t n = evl_loop_walk(s.w.loop, ids, 64);
        for (int32_t i = 0; i < n; i++)
            EXPECT_EQ(evl_close(evl_lookup(s.w.loop, ids[i])), 0);
        EXPECT_EQ(s.fetch->wait(), s.expected(EVL_ECLOSED));
        EXPECT_EQ(s.w.run(), 0);
    });
}

// What waits for the body is not the fetch: it goes on.
TEST(HttpCancel, AWaitForTheBody) {
    Gate gate;
    Server server([&](Peer &peer) {
        peer.head();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        gate.wait();
        peer.send("0123456789");
    });
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url(), EVL_HTTP_STREAM);
    EXPECT_EQ(f.run(), 200);
    int64_t first = 1, second = 1;
    evl_op *one = w.op([&](int64_t rc) { first = rc; });
    EXPECT_EQ(evl_http_wait(f.request, one), 0);
    EXPECT_EQ(evl_op_cancel(one), 1);
    until(w, [&] { return first != 1; });
    EXPECT_EQ(first, EVL_ECANCELED);
    gate.open();
    EXPECT_EQ(evl_http_wait(f.request, w.op([&](int64_t rc) { second = rc; })), 0);
    until(w, [&] { return second != 1; });
    EXPECT_GT(second, 0);
}

// In the callback of a fetch that was cancelled, before the session knows: it can begin again.
TEST(HttpCancel, AndAgainFromTheCallback) {
    Server server(each([](const std::string &) { return response("here"); }));
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url());
    evl_op *first = w.op([&](int64_t rc) {
        EXPECT_EQ(rc, EVL_ECANCELED);
        f.start();
    });
    EXPECT_EQ(evl_http_fetch(f.request, first), 0);
    EXPECT_EQ(evl_http_fetch(f.request, f.op), EVL_EBUSY);
    EXPECT_EQ(evl_op_cancel(first), 1);
    EXPECT_EQ(f.wait(), 200);
}

// From a callback everything may be ended.
TEST(HttpCancel, EverythingFromTheCallback) {
    for (int what = 0; what < 4; what++) {
        SCOPED_TRACE(what);
        Server server(each([](const std::string &) { return response("here"); }));
        World w(real);
        Session session(w);
        Fetch first(w, session, server.url()), second(w, session, server.url());
        int64_t result = 0;
        evl_op *op = w.op([&](int64_t rc) {
            result = rc;
            if (what == 0)
                first.free();
            if (what == 1)
                session.close();
            if (what == 2) {
                second.free();
                first.free();
                session.close();
            }
            if (what == 3) {
                EXPECT_EQ(evl_loop_destroy(std::exchange(w.loop, nullptr)), 0);
            }
        });
        EXPECT_EQ(evl_http_fetch(first.request, op), 0);
        second.start();
        evl_loop *loop = evl_loop_ref(w.loop);
        while (result == 0 && evl_loop_run(loop, EVL_RUN_ONCE) >= 0) {
        }
        EXPECT_EQ(result, 200);
        evl_loop_unref(loop);
    }
}

TEST(HttpCancel, InAForkedChild) {
    at_each_stage([](Staged &s) {
        const pid_t child = ::fork();
        if (child == 0) {
            int failures = 0;
            auto expect = [&](bool good) { failures += !good; };
            expect(evl_http_fetch(s.fetch->request, s.fetch->op) == EVL_EFORK);
            expect(evl_loop_fork(s.w.loop) == 0);
            expect(evl_http_session_fork(*s.session) == 0);
            expect(s.fetch->wait() == s.expected(EVL_EFORK));
            Fetch again(s.w, *s.session, "http://127.0.0.1:1/");
            expect(again.run() == EVL_ECONNREFUSED);
            again.free();
            ::_exit(failures);
        }
        int status = -1;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
        EXPECT_EQ(s.fetch->done(), s.stage >= Stage::in_body) << "the parent's goes on";
    });
}

// The child leaves the connections alone, also when it closes what it has.
TEST(HttpCancel, TheParentGoesOnAfterAFork) {
    Gate gate;
    Server server([&](Peer &peer) {
        while (!peer.head().empty()) {
            gate.wait();
            peer.send(response("here"));
        }
    });
    World w(real);
    Session session(w);
    Fetch f(w, session, server.url());
    f.start();
    until(w, [&] { return f.info().connect_ns != 0; });
    const pid_t child = ::fork();
    if (child == 0) {
        session.close();
        ::_exit(0);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    gate.open();
    EXPECT_EQ(f.wait(), 200);
    EXPECT_EQ(f.run(), 200);
    EXPECT_EQ(server.connections(), 1) << "it is the same connection";
}

} // namespace
