// fd_model.hpp - watchers on fds beside a model that asks poll(2) what each of them must hear.
#pragma once

#include "memory.hpp"

#include <deque>
#include <evloop.h>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace model {

class FdModel {
  public:
    FdModel(const char *backend, uint64_t seed);
    FdModel(const FdModel &) = delete;
    ~FdModel();

    void step(); // one random step; callbacks take some too
    void pass();
    bool broken() const { return !fault_.empty(); }
    const std::string &fault() const { return fault_; }
    uint64_t reports() const { return reports_; }
    uint64_t losses() const { return losses_; } // numbers closed behind their watchers' backs

  private:
    enum class Kind { socket, pipe_r, pipe_w };

    struct Watcher {
        FdModel *model;
        evl_io *handle = nullptr;
        size_t index = 0; // in open_
        int fd = -1;
        uint32_t mask = 0;
        uint32_t mask_before = 0; // this pass
        bool oneshot = false;
        int32_t ended = 0;      // with which error
        bool error_due = false; // and whether it has still to hear of it
        int passes_left = 0;    // within so many passes
        uint32_t due = 0;       // what it has to hear in this pass
        int turn = 0;           // among the reports of its fd
    };

    using Chain = std::vector<Watcher *>; // of one number, oldest first

    static void on_report(void *arg, int64_t result);
    void hear(Watcher &w, int64_t result);
    void hear_lost(Watcher &w, int64_t result);
    void act();
    void check(const Watcher &w);

    // What must be heard.
    uint32_t wanted(const Chain &chain) const;
    uint32_t ready(int fd, uint32_t wanted) const;
    uint32_t share(const Watcher &w, uint32_t reported) const;
    bool finds_nothing_else() const;
    void expect_reports();
    void expect_end(int fd, int32_t code);
    void end_of_pass(bool polled);

    // What can happen.
    void open_pair();
    void add(int fd, Kind kind);
    void talk(int fd);
    void close_fd(int fd);
    void new_watcher(int fd);
    void set_mask(Watcher &w, uint32_t mask);
    void close_watcher(Watcher &w);
    uint32_t random_mask(int fd);
    Watcher *any_watcher();
    int any_fd();

    // A number that was closed without a word, one at a time.
    void lose(int fd);
    void find_out();
    void settle();

    void expect(bool condition, const char *what, const Watcher *w = nullptr);
    int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
    bool on(const char *backend) const { return backend_ == backend; }
    uint64_t polls() const;

    support::Memory memory_;
    std::mt19937_64 random_;
    evl_loop *loop_ = nullptr;
    std::string backend_;
    std::deque<Watcher> all_; // that ever were: a stale pointer would be noticed
    std::vector<Watcher *> open_;
    std::map<int, Kind> fds_;
    std::map<int, Chain> chains_;
    std::map<int, int> last_turn_; // of each fd in this pass
    bool running_ = false;
    bool quiet_ = false; // callbacks do nothing
    int lost_ = -1;
    uint32_t lost_mask_ = 0; // what the kernel knows of it
    int duplicate_ = -1;     // of the file behind it, kept open
    uint64_t reports_ = 0;
    uint64_t losses_ = 0;
    std::string fault_;
};

} // namespace model
