// crawl.cpp - the crawler, a coroutine for each page: connect by name, write the request, read to the end.
//     crawl [-o DIR] [-t SECONDS] URL...
//
// -o saves the pages in DIR as NUMBER-HOST, -t is how long connecting and answering may take, each (10). A
// host that fails is named on stderr, and the others go on. Exit status: 0 all well, 1 some pages failed, 2
// wrong usage.
extern "C" {
#include "../crawl/http.h"
}
#include <evloop.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

using evloop::task;

static const char *dir = nullptr;
static std::chrono::duration<double> patience(10);

struct totals {
    std::size_t pages = 0, bytes = 0;
};

static task<std::string> fetch(const url &from) {
    evloop::stream s = co_await evloop::timeout(patience, evloop::open_connection(from.host, from.port));
    const std::unique_ptr<char, decltype(&std::free)> request(http_request(&from), std::free);
    s.write(request.get());
    co_return co_await evloop::timeout(patience, s.read_all(64 << 20));
}

static task<> crawl(const char *text, int number, totals &all) {
    url from;
    url_parse(&from, text); // main has seen that it can be
    std::string problem;
    try {
        const std::string answer = co_await fetch(from);
        const char *body = nullptr;
        std::size_t size = 0;
        const char *wrong = http_problem(answer.c_str(), answer.size(), &body, &size);
        if (!wrong && dir)
            wrong = http_save(dir, number, from.host, body, size);
        if (!wrong) {
            std::printf("%s: %zu bytes\n", from.authority, size);
            all.pages++;
            all.bytes += size;
        } else {
            problem = wrong;
        }
    } catch (const std::system_error &error) {
        problem = error.code().message();
    }
    if (!problem.empty())
        std::fprintf(stderr, "crawl: %s: %s\n", from.authority, problem.c_str());
}

static task<int> crawl_all(char **urls, int n) {
    totals all;
    std::vector<task<>> pages;
    for (int i = 0; i < n; i++)
        pages.push_back(crawl(urls[i], i + 1, all));
    co_await evloop::gather(std::move(pages));
    std::printf("%zu of %d pages, %zu bytes\n", all.pages, n, all.bytes);
    co_return all.pages != static_cast<std::size_t>(n);
}

int main(int argc, char **argv) {
    int option, wrong = 0;
    while ((option = getopt(argc, argv, "o:t:")) != -1) {
        if (option == 'o')
            dir = optarg;
        else if (option != 't' ||
                 (patience = std::chrono::duration<double>(std::strtod(optarg, nullptr))).count() <= 0)
            wrong = 1;
    }
    const int n = argc - optind;
    url any;
    for (int i = 0; i < n; i++)
        wrong += url_parse(&any, argv[optind + i]) < 0;
    if (wrong || n <= 0)
        return std::fputs("usage: crawl [-o DIR] [-t SECONDS] http://HOST[:PORT][/PATH]...\n", stderr), 2;
    return evloop::run(crawl_all(argv + optind, n));
}
