#include "stage.hpp"
#include "inject.hpp"

#include <csignal>
#include <cstring>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/mman.h>
#include <unistd.h>

namespace faults {
namespace {

constexpr int kPasses = 200; // more than any scenario needs, unless the loop spins

// What a caller can see of a loop without asking the kernel.
std::string see(const evl_loop *const_loop) {
    auto *loop = const_cast<evl_loop *>(const_loop);
    std::ostringstream text;
    std::vector<uint64_t> ids(static_cast<size_t>(std::max(0, evl_loop_walk(loop, nullptr, 0))));
    evl_loop_walk(loop, ids.data(), static_cast<int32_t>(ids.size()));
    for (uint64_t id : ids) {
        evl_handle *h = evl_lookup(loop, id);
        text << id << " active=" << evl_active(h) << " name=" << evl_name(h);
        if (evl_kind(h) == EVL_KIND_IO)
            text << " fd=" << evl_io_fd(h) << " mask=" << evl_io_mask(h);
        if (evl_kind(h) == EVL_KIND_TIMER)
            text << " deadline=" << evl_timer_deadline(h);
        if (evl_kind(h) == EVL_KIND_WALL)
            text << " deadline=" << evl_wall_deadline(h);
        text << "\n";
    }
    evl_blocker counts[64];
    int32_t n = std::min(64, evl_loop_blockers(loop, counts, 64));
    for (int32_t i = 0; i < n; i++)
        if (counts[i].id == 0)
            text << "kind " << counts[i].kind << " count " << counts[i].count << "\n";
    text << "alive=" << evl_loop_alive(loop) << "\n";
    return text.str();
}

} // namespace

Stage::Stage() : fds_(support::open_fds()), signals_(dispositions()) {
    void *page = ::mmap(nullptr, sizeof *ran_out_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ran_out_ = new (page) std::atomic<bool>(false);
}

bool Stage::ran_out() const { return *ran_out_ || memory.failed(); }

Stage::~Stage() {
    close_all();
    pipes_.clear();
    pairs_.clear();
    for (int number : numbers_)
        ::close(number);
    EXPECT_EQ(drops_, drops_wanted_) << "drops";
    EXPECT_EQ(memory.bytes(), 0u);
    EXPECT_EQ(support::open_fds(), fds_) << "fds";
    EXPECT_EQ(dispositions(), signals_);
    ::munmap(static_cast<void *>(ran_out_), sizeof *ran_out_);
}

support::Pipe &Stage::pipe() { return pipes_.emplace_back(); }

support::Pair &Stage::pair() { return pairs_.emplace_back(); }

int Stage::dup(int fd) {
    numbers_.push_back(::dup(fd));
    return numbers_.back();
}

void Stage::close_number(int fd) {
    ::close(fd);
    std::erase(numbers_, fd);
}

void Stage::arm_memory() {
    armed_at_ = memory.calls();
    memory.fail(fail_at);
}

// Looking at a crowd takes long, so it is only looked at where the next call may be the one: none allocates
// as often as this.
bool Stage::may_fail() const {
    return fail_at == 0 ||
           (memory.calls() - armed_at_ < fail_at && memory.calls() - armed_at_ + 16 >= fail_at);
}

int32_t Stage::attempt(const std::function<int32_t()> &call, bool may_end_watchers) {
    bool looks = loop && !may_end_watchers && may_fail();
    std::string before = looks ? see(loop) : "";
    int32_t rc = call();
    if (rc >= 0)
        return rc;
    tell(rc);
    if (looks) {
        EXPECT_EQ(see(loop), before) << "after " << evl_err_name(rc);
    }
    return rc;
}

int32_t Stage::attempt(const std::function<int32_t()> &call) { return attempt(call, false); }

int32_t Stage::attempt_on_fd(const std::function<int32_t()> &call) { return attempt(call, true); }

bool Stage::make(int32_t clock) {
    evl_options options{};
    options.struct_size = sizeof options;
    options.clock = clock;
    options.alloc = support::Memory::resize;
    options.alloc_ctx = &memory;
    options.name = "stage";
    arm_memory();
    if (attempt([&] { return evl_loop_new(&loop, &options); }) != 0)
        return false;
    edges((evl_backend_caps(loop) & EVL_CAP_EDGE) != 0);
    return true;
}

Ear *Stage::ear() {
    ears_.push_back(Ear{this});
    return &ears_.back();
}

void Stage::hear(void *arg, int64_t result) {
    auto *ear = static_cast<Ear *>(arg);
    EXPECT_FALSE(ear->ended) << "heard after the error that ended it";
    ear->times++;
    ear->last = result;
    if (result >= 0) {
        ear->total += result;
        return;
    }
    ear->ended = true;
    if (!ear->may_end)
        ear->stage->tell(result);
}

evl_io *Stage::io(int fd, uint32_t mask, Ear *ear, uint32_t flags) {
    evl_io *out = nullptr;
    attempt_on_fd([&] { return evl_io_new(loop, fd, mask, flags, hear, ear, &out); });
    return out;
}

evl_timer *Stage::timer(Ear *ear) {
    evl_timer *out = nullptr;
    attempt([&] { return evl_timer_new(loop, hear, ear, &out); });
    return out;
}

evl_signal *Stage::signal(int signo, Ear *ear) {
    evl_signal *out = nullptr;
    attempt([&] { return evl_signal_new(loop, signo, hear, ear, &out); });
    return out;
}

void Stage::drop(void *arg) { static_cast<Ear *>(arg)->stage->drops_++; }

void Stage::call_owned(Ear *ear) {
    if (attempt([&] { return evl_call_soon_owned(loop, hear_plain, ear, drop); }) == 0)
        drops_wanted_++;
}

int32_t Stage::post_owned(Ear *ear) {
    int32_t rc = evl_post_owned(loop, hear_plain, ear, drop);
    if (rc == 0)
        drops_wanted_++;
    return rc;
}

void Stage::set_drop(evl_handle *handle) {
    if (attempt([&] { return evl_set_drop(handle, drop); }) == 0)
        drops_wanted_++;
}

void Stage::nowait() { tell_run(evl_loop_run(loop, EVL_RUN_NOWAIT)); }

void Stage::run_until(const std::function<bool()> &done) {
    for (int i = 0; i < kPasses && !done(); i++) {
        bool in_trouble = troubled();
        if (in_trouble && i >= kPasses / 4)
            return;
        tell_run(evl_loop_run(loop, in_trouble ? EVL_RUN_NOWAIT : EVL_RUN_ONCE));
    }
}

void Stage::wait_until(const std::function<bool()> &done) {
    for (int i = 0; i < kPasses && !done(); i++)
        tell_run(evl_loop_run(loop, EVL_RUN_ONCE));
}

// The other end has met trouble, and this one hears that it is gone.
static bool is_of_another(int64_t code) {
    return code == EVL_ECONNRESET || code == EVL_ECONNREFUSED || code == EVL_EPIPE || code == EVL_EEOF ||
           code == EVL_ENOTCONN || code == EVL_ECLOSED;
}

void Stage::tell(int64_t code) {
    EXPECT_STRNE(evl_err_name(static_cast<int32_t>(code)), "EVL_E?") << code;
    (is_of_another(code) ? followed_ : told_).push_back(code);
    troubled_ = true;
}

void Stage::tell_run(int32_t rc) {
    bool before = troubled_;
    if (rc < 0)
        tell(rc);
    troubled_ = before;
}

bool Stage::troubled() {
    int32_t code = loop ? evl_loop_error(loop) : 0;
    if (code < 0)
        tell(code);
    return troubled_;
}

void Stage::expect(bool condition, const char *what) {
    if (!condition) {
        EXPECT_TRUE(troubled()) << what;
    }
}

// A timer fires and a pipe is heard, whatever happened before.
void Stage::check_usable() {
    Paused paused;
    support::Pipe pipe;
    Ear *in = ear(), *due = ear();
    evl_io *io = nullptr;
    evl_timer *timer = nullptr;
    ASSERT_EQ(evl_io_new(loop, pipe.r, EVL_READ, 0, hear, in, &io), 0);
    ASSERT_EQ(evl_timer_new(loop, hear, due, &timer), 0);
    ASSERT_EQ(evl_timer_start_in(timer, 0, 0), 0);
    pipe.w.put();
    for (int i = 0; i < 8 && (in->times == 0 || due->times == 0); i++)
        EXPECT_GE(evl_loop_run(loop, EVL_RUN_NOWAIT), 0);
    EXPECT_GE(in->times, 1) << "a pipe is not heard any more";
    EXPECT_EQ(in->last, EVL_READ);
    EXPECT_EQ(due->times, 1) << "a timer does not fire any more";
    EXPECT_EQ(evl_close(io), 0);
    EXPECT_EQ(evl_close(timer), 0);
}

// Nothing that was closed keeps the loop awake, although the fds are still open and may be ready.
void Stage::check_sleep() {
    Paused paused;
    Ear *due = ear();
    evl_timer *timer = nullptr;
    ASSERT_EQ(evl_timer_new(loop, hear, due, &timer), 0);
    ASSERT_EQ(evl_timer_start_in(timer, 300'000, 0), 0);
    for (int i = 0; i < 20 && due->times == 0; i++)
        EXPECT_GE(evl_loop_run(loop, EVL_RUN_ONCE), 0);
    EXPECT_EQ(due->times, 1) << "the loop spins";
    EXPECT_EQ(evl_close(timer), 0);
}

void Stage::close_handles() {
    uint64_t allocations = memory.calls();
    std::vector<uint64_t> ids(static_cast<size_t>(evl_loop_walk(loop, nullptr, 0)));
    evl_loop_walk(loop, ids.data(), static_cast<int32_t>(ids.size()));
    for (uint64_t id : ids)
        EXPECT_EQ(evl_close(evl_lookup(loop, id)), 0);
    EXPECT_EQ(memory.calls(), allocations) << "closing allocates";
}

void Stage::close_all() {
    if (!loop)
        return;
    *ran_out_ = ran_out();
    memory.fail(0);
    check_usable();
    close_handles();
    // What is still queued, drops among it, takes passes; and a pass may be what fails. A stream that lingers
    // takes until the system has told it of its peer's end, or a quarter of a second.
    for (int i = 0; i < 16 && evl_loop_blockers(loop, nullptr, 0) > 0; i++)
        (void)evl_loop_run(loop, i < 8 ? EVL_RUN_NOWAIT : EVL_RUN_ONCE);
    check_sleep();
    (void)troubled();
    uint64_t allocations = memory.calls();
    EXPECT_EQ(evl_loop_close(loop), 0);
    EXPECT_EQ(memory.calls(), allocations) << "closing allocates";
    loop = nullptr;
}

void Stage::destroy() {
    *ran_out_ = ran_out();
    uint64_t allocations = memory.calls();
    EXPECT_EQ(evl_loop_destroy(std::exchange(loop, nullptr)), 0);
    EXPECT_EQ(memory.calls(), allocations) << "destroying allocates";
}

std::string dispositions() {
    std::ostringstream text;
    for (int signo = 1; signo < NSIG; signo++) {
        struct sigaction action{};
        if (::sigaction(signo, nullptr, &action) == 0)
            text << signo << ":" << reinterpret_cast<void *>(action.sa_handler) << " ";
    }
    return text.str();
}

// sigaction cannot fail for a signal that it has just been asked about. If it did, our handler would stay
// until the next time that somebody watches the signal.
void heal_signals(Stage &s, const std::string &before, int signo) {
    if (dispositions() == before)
        return;
    EXPECT_EQ(s.failing, support::Call::sigaction) << "the disposition stays";
    Paused paused;
    evl_loop *loop = nullptr;
    evl_signal *signal = nullptr;
    ASSERT_EQ(evl_loop_new(&loop, nullptr), 0);
    EXPECT_EQ(evl_signal_new(loop, signo, Stage::hear, s.ear(), &signal), 0);
    EXPECT_EQ(evl_loop_destroy(loop), 0);
}

// --- the guard --------------------------------------------------------------------------------------------

namespace {

char playing[512];
struct sigaction before_guard;

void give_up(int) {
    static const char said[] = "\nhangs: ";
    (void)!::write(STDERR_FILENO, said, sizeof said - 1);
    (void)!::write(STDERR_FILENO, playing, std::strlen(playing));
    (void)!::write(STDERR_FILENO, "\n", 1);
    ::_exit(98);
}

constexpr unsigned kPlaySeconds = 20;
constexpr unsigned kTestSeconds = 240; // as the sandbox

} // namespace

Guard::Guard() {
    struct sigaction action{};
    action.sa_handler = give_up;
    ::sigaction(SIGALRM, &action, &before_guard);
}

Guard::~Guard() {
    ::sigaction(SIGALRM, &before_guard, nullptr);
    ::alarm(kTestSeconds);
}

void Guard::watch(const std::string &what) {
    std::strncpy(playing, what.c_str(), sizeof playing - 1);
    ::alarm(kPlaySeconds);
}

} // namespace faults
