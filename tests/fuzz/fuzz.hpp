// fuzz.hpp - what the fuzzers share: random numbers, rounds by seed, a time limit, and the seed when one ends
// badly.
//
// A fuzzer is a plain program: <name> [seconds [seed]], or EVLOOP_FUZZ_SECONDS and EVLOOP_SEED. With a seed
// it runs that round alone; EVLOOP_FUZZ_FROM is the seed that the rounds begin with. EVLOOP_BACKEND as ever.
#pragma once

#include <evloop.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <unistd.h>

extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*)());
extern "C" __attribute__((weak)) int __lsan_do_recoverable_leak_check();

namespace fuzz {

inline const char *program = "";
inline std::atomic<uint64_t> current_seed = 0;

inline void say_seed() {
    char text[160];
    int n = std::snprintf(text, sizeof text, "\nfuzz: again by: EVLOOP_SEED=%llu %s\n",
                          static_cast<unsigned long long>(current_seed.load()), program);
    if (::write(2, text, static_cast<size_t>(n)) < 0)
        return;
}

[[noreturn]] inline void failed(const char *what, const char *file, int line) {
    std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    std::abort(); // whose handler says the seed
}

#define HOLDS(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fuzz::failed(#condition, __FILE__, __LINE__);                                                    \
    } while (0)

// splitmix64: the same everywhere.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    uint64_t below(uint64_t n) { return next() % n; }
    int64_t between(int64_t low, int64_t high) {
        return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low + 1)));
    }
    bool one_in(uint64_t n) { return below(n) == 0; }

  private:
    uint64_t state_;
};

// An allocator that counts, so that a loop can be asked whether it gave everything back.
class Counted {
  public:
    static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size) {
        auto *self = static_cast<Counted *>(ctx);
        if (new_size == 0) {
            self->bytes -= static_cast<int64_t>(old_size);
            std::free(ptr);
            return nullptr;
        }
        void *made = std::realloc(ptr, new_size);
        if (made)
            self->bytes += static_cast<int64_t>(new_size) - static_cast<int64_t>(old_size);
        return made;
    }
    std::atomic<int64_t> bytes = 0;
};

inline void on_signal(int signo) {
    if (signo == SIGALRM) {
        static const char text[] = "\nfuzz: a round does not end";
        if (::write(2, text, sizeof text - 1) < 0)
            std::_Exit(1);
    }
    say_seed();
    ::signal(SIGABRT, SIG_DFL);
    std::abort();
}

// Names what was not freed, where the sanitizer knows.
inline void show_leaks() {
    if (__lsan_do_recoverable_leak_check)
        __lsan_do_recoverable_leak_check();
}

// Rounds until the time is over; each is given its seed and must leave nothing behind.
inline int run(int argc, char **argv, void (*round)(uint64_t seed)) {
    program = argv[0];
    const char *time = argc > 1 ? argv[1] : std::getenv("EVLOOP_FUZZ_SECONDS");
    const char *given = argc > 2 ? argv[2] : std::getenv("EVLOOP_SEED");
    const double seconds = time ? std::atof(time) : 3;
    const char *from = given ? given : std::getenv("EVLOOP_FUZZ_FROM");
    uint64_t seed = from ? std::strtoull(from, nullptr, 0) : std::random_device{}();
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(say_seed);
    else
        for (int signo : {SIGSEGV, SIGBUS, SIGFPE, SIGILL})
            ::signal(signo, on_signal);
    for (int signo : {SIGABRT, SIGALRM})
        ::signal(signo, on_signal);
    ::signal(SIGPIPE, SIG_IGN);
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    uint64_t rounds = 0;
    do {
        current_seed = seed++;
        ::alarm(60);
        round(current_seed);
        ::alarm(0);
        rounds++;
    } while (!given && std::chrono::steady_clock::now() < until);
    std::printf("%s: %llu rounds from seed %llu on\n", program, static_cast<unsigned long long>(rounds),
                static_cast<unsigned long long>(current_seed + 1 - rounds));
    return 0;
}

} // namespace fuzz
