// world_no_exceptions.cpp - streams, generators, children and datagrams in a unit without exceptions and
// RTTI; the tests that it is linked with have both.
#include <evloop.hpp>
#include <evloop/process.hpp>

namespace {

using namespace std::chrono_literals;
using evloop::stream;
using evloop::task;

evloop::generator<int, int, int> inner() {
    const int sent = co_yield 1;
    co_return sent;
}

evloop::generator<int, int> outer() {
    const int returned = co_yield evloop::from(inner());
    co_yield returned;
}

evloop::async_generator<int> later() {
    const auto slept = co_await evloop::as_result(evloop::sleep(1us));
    if (slept)
        co_yield 4;
}

task<evloop::result<void>> echo(stream s) {
    for (;;) {
        const auto line = co_await evloop::as_result(s.read_line());
        if (!line || line->empty() || !s.write(*line))
            co_return {};
    }
}

// 0, or which step has failed.
task<int> steps() {
    auto g = outer();
    if (*g.next() != 1 || *g.send(7) != 7 || g.next())
        co_return 1;
    auto a = later();
    const int *value = co_await a.next();
    if (!value || *value != 4)
        co_return 2;
    auto server = evloop::server::make(evloop::this_loop(), "127.0.0.1", "0");
    if (!server)
        co_return 3;
    auto serving = evloop::spawn(server->serve(echo));
    auto connection = co_await evloop::as_result(evloop::open_connection(server->local()));
    if (!connection || !connection->write("hello\n"))
        co_return 4;
    const auto line = co_await evloop::as_result(connection->read_until("\n")); // waits
    if (!line || *line != "hello\n")
        co_return 5;
    evloop::future<std::string> text;
    evloop::future<int> number;
    if (text.resolve("text") != 0 || number.post(-5) != 0)
        co_return 11;
    const auto got_text = co_await evloop::as_result(text);
    const auto got_number = co_await evloop::as_result(number);
    if (!got_text || *got_text != "text" || !got_number || *got_number != -5)
        co_return 12;
    evloop::executor pool(evloop::this_loop(), 1);
    const auto closed = co_await evloop::as_result(pool.closed());
    const auto refused = co_await evloop::as_result(evloop::run_in_executor(pool, [] { return 1; }));
    if (!closed || refused.code() != EVL_ECLOSED)
        co_return 13;
    task<evloop::result<void>> none;
    const auto nothing = co_await evloop::as_result(std::move(none));
    if (nothing)
        co_return 14;
    server->stop();
    server->close_clients(); // it waits for the last handler
    const auto served = co_await evloop::as_result(std::move(serving));
    if (!served || !*served)
        co_return 15;
    auto timer = evloop::timer::make(evloop::this_loop(), [] {});
    if (!timer || !timer->start_in(1us) || timer->start_in(0s, -1s))
        co_return 6;
    auto child =
        evloop::process::make(evloop::this_loop(), {"echo", "hi"}, {.out = evloop::stdio::pipe_from});
    if (!child)
        co_return 7;
    const auto output = co_await evloop::as_result(child->communicate());
    if (!output || output->out != "hi\n" || output->status != 0)
        co_return 8;
    auto socket = evloop::udp::make(evloop::this_loop(), *evloop::address::make("127.0.0.1"));
    if (!socket || !socket->send("x", socket->local()))
        co_return 9;
    const auto datagram = co_await evloop::as_result(socket->receive());
    if (!datagram || datagram->data != "x")
        co_return 10;
    co_return 0;
}

} // namespace

int world_without_exceptions() {
    const auto ended = evloop::run(steps());
    return ended ? *ended : ended.code();
}
