// stage.hpp - a loop on which a scenario plays while something fails, and what has to be true of any such
// play.
//
//   - a call that answers an error has changed nothing;
//   - what was accepted happens, unless an error was told: by an answer, in a callback, or to evl_loop_error;
//   that a
//     run has failed is no excuse, since the next one goes on;
//   - whatever failed, closing works, allocates nothing, and leaves a loop that can be closed;
//   - afterwards the process has the fds, the memory and the signal dispositions that it had before;
//   - an argument whose registration was accepted is dropped exactly once, one that was refused is not.
#pragma once

#include "fds.hpp"
#include "memory.hpp"
#include "sys.hpp"

#include <atomic>
#include <deque>
#include <evloop.h>
#include <functional>
#include <string>
#include <vector>

namespace faults {

// What a callback has heard.
struct Ear {
    class Stage *stage;
    int times = 0;
    int64_t total = 0; // of what was not an error
    int64_t last = 0;
    bool may_end = false; // an error is an answer that the scenario asked for
    bool ended = false;
};

class Stage {
  public:
    Stage();
    Stage(const Stage &) = delete;
    ~Stage(); // closes everything and checks

    support::Memory memory;
    evl_loop *loop = nullptr;
    support::Call failing = support::Call::count; // what the walk lets fail
    uint64_t fail_at = 0;                         // which allocation it lets fail, from arm_memory on
    void arm_memory();
    bool ran_out() const; // whether that has happened, in a child too

    // They stay open until the loop is gone, so that whatever the kernel has not forgotten shows.
    support::Pipe &pipe();
    support::Pair &pair();
    int dup(int fd);           // another number, closed at the end
    void close_number(int fd); // or now

    // Answers what the call answered; an error is noted and has changed nothing.
    int32_t attempt(const std::function<int32_t()> &call);

    // The same for a call that may find out on its way that a number was closed, and end its watchers.
    int32_t attempt_on_fd(const std::function<int32_t()> &call);

    bool make(int32_t clock = EVL_CLOCK_REAL);
    Ear *ear();
    evl_io *io(int fd, uint32_t mask, Ear *ear, uint32_t flags = 0); // NULL when refused, as all of these
    evl_timer *timer(Ear *ear);
    evl_signal *signal(int signo, Ear *ear);
    void call_owned(Ear *ear);
    int32_t post_owned(Ear *ear); // any thread
    void set_drop(evl_handle *handle);

    // As many passes as it takes, and no more than it may take. Once trouble has been told they do not wait,
    // since what they would wait for may be gone.
    void run_until(const std::function<bool()> &done);
    void wait_until(const std::function<bool()> &done); // for what no trouble can keep from happening
    void nowait();

    void tell(int64_t code);
    void tell_run(int32_t rc); // what a run answered: if it failed, the next one goes on, and all will happen
    bool troubled();
    const std::vector<int64_t> &told() const { return told_; }
    const std::vector<int64_t> &followed() const { return followed_; } // that somebody else has gone
    void expect(bool condition, const char *what);                     // holds unless trouble was told

    void close_all(); // each handle, then the loop; before and after, the loop is good for something
    void destroy();   // the loop with everything on it

    static void hear(void *arg, int64_t result);
    static void hear_plain(void *arg) { hear(arg, 1); }

  private:
    int32_t attempt(const std::function<int32_t()> &call, bool may_end_watchers);
    bool may_fail() const;
    void close_handles();
    void check_usable();
    void check_sleep();
    static void drop(void *arg);

    std::deque<support::Pipe> pipes_;
    std::deque<support::Pair> pairs_;
    std::vector<int> numbers_;
    std::deque<Ear> ears_;
    std::vector<int64_t> told_, followed_;
    bool troubled_ = false;
    uint64_t armed_at_ = 0; // allocations until then
    uint64_t drops_wanted_ = 0;
    uint64_t drops_ = 0;
    int fds_;
    std::string signals_;
    std::atomic<bool> *ran_out_; // shared with children
};

// The dispositions of all signals, as text.
std::string dispositions();

// Lets the next one who watches the signal put back what a failing sigaction has left behind.
void heal_signals(Stage &stage, const std::string &before, int signo);

// Ends the process, telling what was going on, if a play takes that long.
class Guard {
  public:
    Guard();
    Guard(const Guard &) = delete;
    ~Guard();
    void watch(const std::string &what);
};

struct Scenario {
    const char *name;
    void (*play)(Stage &stage);
};

void datagrams(Stage &stage); // udp_scenario.cpp
void servers(Stage &stage);   // server_scenario.cpp
void servers_by_callback(Stage &stage);
void servers_by_record(Stage &stage);
void passed_sockets(Stage &stage);
void connects(Stage &stage);
void connections(Stage &stage); // stream_scenario.cpp
void unix_connections(Stage &stage);
void piped(Stage &stage);
void fds_passed(Stage &stage);
void inherited(Stage &stage);
void spliced(Stage &stage);
void look_ups(Stage &stage); // outside_scenario.cpp, and so are the children
void children(Stage &stage);
void paths(Stage &stage);
void children_without_pidfd(Stage &stage);
void children_by_signal(Stage &stage);

const std::vector<Scenario> &scenarios();        // of system calls and allocations
const std::vector<Scenario> &larger_scenarios(); // more, of allocations only

// EVLOOP_FAULTS names one that alone is to be played.
bool is_only_one();
bool is_wanted(const Scenario &scenario);

} // namespace faults
