// fetch.cpp - many pages over HTTP and HTTPS at once, a coroutine for each: bounded, each failure named, the
// others finished.
//     fetch [-n AT_ONCE] [-t SECONDS] [-m BYTES] [-c CA_FILE] [-o DIR] URL...
//
// -n is how many are fetched at once (20), -t how long each may take (30), -m how large it may be (64 MiB),
// -c a file of roots to trust in place of the system's, -o a directory for the pages, as NUMBER. On a
// terminal a line shows how far it is; the table has all in their order. Exit status: 0 all well, 1 some
// failed, 2 wrong usage.
#include <evloop/http.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

using evloop::task;
namespace http = evloop::http;

struct page {
    const char *url = nullptr;
    std::int64_t result = 0; // a status, or an error
    std::size_t bytes = 0;
    std::int64_t ns = 0;
    bool good() const { return result >= 200 && result < 400; }
};

static std::string dir;

struct totals {
    std::vector<page> pages;
    int done = 0, failed = 0;
    unsigned long long bytes = 0;
    bool terminal = isatty(2);

    void count(const page &p) {
        done++;
        failed += !p.good();
        bytes += p.good() ? p.bytes : 0;
        if (terminal)
            std::fprintf(stderr, "\r%d of %zu, %d failed, %.1f MB ", done, pages.size(), failed,
                         static_cast<double>(bytes) / 1e6);
    }
};

// What can be written is written piece by piece, so that a page of any size takes little memory.
static task<> save(const http::response &r, page &p, std::size_t number) {
    std::ofstream file;
    if (!dir.empty())
        file.open(dir + "/" + std::to_string(number), std::ios::binary);
    auto pieces = r.pieces();
    while (const std::string *piece = co_await pieces.next()) {
        p.bytes += piece->size();
        file.write(piece->data(), static_cast<std::streamsize>(piece->size()));
    }
    if (!dir.empty() && !file.flush())
        evloop::throw_error(EVL_EIO);
}

static task<> fetch(const http::session &web, totals &all, std::size_t i, std::uint64_t max) {
    page &p = all.pages[i];
    try {
        const http::response r = co_await web.open(p.url, {.max_body = max});
        co_await save(r, p, i + 1);
        p.result = r.status();
        p.ns = r.info().total_ns;
    } catch (const std::system_error &error) {
        p.result = error.code().value(); // one of evloop's: "EVL_ETLS_EXPIRED"
    }
    all.count(p);
}

static task<int> fetch_all(const http::session_options &options, totals &all) {
    const auto began = std::chrono::steady_clock::now();
    const http::session web(options);
    std::vector<task<>> tasks;
    for (std::size_t i = 0; i < all.pages.size(); i++)
        tasks.push_back(fetch(web, all, i, options.max_body ? options.max_body : 64 << 20));
    co_await evloop::gather(std::move(tasks));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;

    if (all.terminal)
        std::fprintf(stderr, "\r%40s\r", "");
    std::printf("%-20s %10s %8s  %s\n", "status", "bytes", "ms", "url");
    for (const page &p : all.pages)
        if (p.result < 0)
            std::printf("%-20s %10s %8s  %s: %s\n", evl_err_name(p.result), "-", "-", p.url,
                        evl_strerror(p.result));
        else
            std::printf("%-20d %10zu %8.1f  %s\n", static_cast<int>(p.result), p.bytes,
                        static_cast<double>(p.ns) / 1e6, p.url);
    std::printf("%d of %zu, %d failed, %llu bytes, %.2f s\n", all.done - all.failed, all.pages.size(),
                all.failed, all.bytes, took.count());
    co_return all.failed != 0;
}

int main(int argc, char **argv) {
    http::session_options options{.max_fetches = 20, .timeout = std::chrono::seconds(30)};
    bool wrong = false;
    for (int option; (option = getopt(argc, argv, "n:t:m:c:o:")) != -1;) {
        if (option == 'n')
            options.max_fetches = static_cast<std::uint32_t>(std::strtoul(optarg, nullptr, 10));
        else if (option == 't')
            options.timeout =
                std::chrono::nanoseconds(static_cast<std::int64_t>(std::strtod(optarg, nullptr) * 1e9));
        else if (option == 'm')
            options.max_body = std::strtoull(optarg, nullptr, 10);
        else if (option == 'c')
            options.ca_file = optarg;
        else if (option == 'o')
            dir = optarg;
        else
            wrong = true;
    }
    totals all;
    for (int i = optind; i < argc; i++)
        all.pages.push_back({.url = argv[i]});
    if (wrong || all.pages.empty())
        return std::fputs("usage: fetch [-n AT_ONCE] [-t SECONDS] [-m BYTES] [-c CA_FILE] [-o DIR] URL...\n",
                          stderr),
               2;
    return evloop::run(fetch_all(options, all));
}
