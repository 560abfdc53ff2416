// op_rows.hpp - the table: every public function that starts an operation, by name, and where it waits.
// tests/headers/waiting.py fails when one of include/evloop is not in it.
#pragma once

#include "op_places_net.hpp"

namespace places {

template <class P>
std::unique_ptr<Place> make(World &w) {
    return std::make_unique<P>(w);
}

struct Row {
    const char *name;
    std::unique_ptr<Place> (*make)(World &);
};

inline constexpr Row rows[] = {
    {"evl_sleep", make<Sleep>},
    {"evl_sleep_until", make<SleepUntil>},
    {"evl_wait_fd", make<WaitFd>},
    {"evl_wait_signal", make<WaitSignal>},
    {"evl_defer", make<Defer>},
    {"evl_waitq_park", make<Park>},
    {"evl_waitq_on_leave", make<OnLeave>},
    {"evl_event_wait", make<Event>},
    {"evl_lock_acquire", make<Lock>},
    {"evl_semaphore_acquire", make<Semaphore>},
    {"evl_condition_wait", make<Condition>},
    {"evl_barrier_wait", make<Barrier>},
    {"evl_queue_put", make<Put>},
    {"evl_queue_get", make<Get>},
    {"evl_queue_join", make<Join>},
    {"evl_future_wait", make<FutureWait>},
    {"evl_executor_submit", make<Job>},
    {"evl_stream_read", make<ReadSome>},
    {"evl_stream_read_exactly", make<ReadExactly>},
    {"evl_stream_read_until", make<ReadUntil>},
    {"evl_stream_read_line", make<ReadLine>},
    {"evl_stream_read_all", make<ReadAll>},
    {"evl_stream_drain", make<Drain>},
    {"evl_stream_flush", make<Flush>},
    {"evl_stream_sendfile", make<Sendfile>},
    {"evl_stream_splice", make<Splice>},
    {"evl_stream_splice (to)", make<SpliceTo>},
    {"evl_stream_shutdown", make<Shutdown>},
    {"evl_server_accept_op", make<Accept>},
    {"evl_server_on_idle", make<Idle>},
    {"evl_udp_receive", make<Receive>},
    {"evl_udp_drain", make<UdpDrain>},
    {"evl_udp_flush", make<UdpFlush>},
    {"evl_getaddrinfo", make<GetAddrInfo>},
    {"evl_getnameinfo", make<GetNameInfo>},
    {"evl_connect", make<Connect>},
    {"evl_connect (a name)", make<ConnectName>},
    {"evl_connect_to", make<ConnectTo>},
    {"evl_connect_any", make<ConnectAny>},
    {"evl_connect_unix", make<ConnectUnix>},
    {"evl_process_wait", make<Process>},
    {"evl_process_communicate", make<Communicate>},
};

} // namespace places
