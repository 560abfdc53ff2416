// evloop.hpp - evloop for C++20: coroutines and owners over the C library, headers only.
//
//     evloop::task<int> greet() {
//         co_await evloop::sleep(500ms);
//         std::puts("hello");
//         co_return 0;
//     }
//     int main() { return evloop::run_main(greet()); }
//
// COROUTINES: task.hpp and scope.hpp (task, spawn), run.hpp, sleep.hpp, group.hpp, gather.hpp, wait.hpp,
// timeout.hpp, shield.hpp, with.hpp, outcome.hpp, foreign.hpp; what they wait on: sync.hpp, queue.hpp,
// future.hpp, executor.hpp; op.hpp to make more. THE WORLD: stream.hpp (open_connection), server.hpp
// (listen), udp.hpp, address.hpp (lookup). OWNERS: loop.hpp, handles.hpp, operation.hpp. GENERATORS:
// generator.hpp, async_generator.hpp. What process.hpp, path.hpp, file.hpp, thread.hpp, channel.hpp,
// local.hpp, stop.hpp and dump.hpp have is not needed everywhere: include them by themselves.
#pragma once

#include "evloop/address.hpp"
#include "evloop/async_generator.hpp"
#include "evloop/await.hpp"
#include "evloop/error.hpp"
#include "evloop/executor.hpp"
#include "evloop/foreign.hpp"
#include "evloop/future.hpp"
#include "evloop/gather.hpp"
#include "evloop/generator.hpp"
#include "evloop/group.hpp"
#include "evloop/handles.hpp"
#include "evloop/loop.hpp"
#include "evloop/op.hpp"
#include "evloop/operation.hpp"
#include "evloop/outcome.hpp"
#include "evloop/queue.hpp"
#include "evloop/run.hpp"
#include "evloop/scope.hpp"
#include "evloop/server.hpp"
#include "evloop/shield.hpp"
#include "evloop/sleep.hpp"
#include "evloop/stream.hpp"
#include "evloop/sync.hpp"
#include "evloop/task.hpp"
#include "evloop/time.hpp"
#include "evloop/timeout.hpp"
#include "evloop/udp.hpp"
#include "evloop/wait.hpp"
#include "evloop/with.hpp"
