// What the examples in the C++ headers take as given.
#include <evloop.hpp>
#include <evloop/channel.hpp>
#include <evloop/fiber.hpp>
#include <evloop/file.hpp>
#include <evloop/http.hpp>
#include <evloop/http_server.hpp>
#include <evloop/local.hpp>
#include <evloop/operation.hpp>
#include <evloop/path.hpp>
#include <evloop/process.hpp>
#include <evloop/thread.hpp>
#include <evloop/tls.hpp>
#include <evloop/udp.hpp>

#include <array>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

struct connection {};
struct pool {
    explicit pool(std::string url);
    evloop::task<connection> enter();
    evloop::task<> exit();
};

extern evloop::loop loop;
extern evloop::lock lock;
extern evloop::stream s, stream;
extern evl_fd fd;
extern std::string url, path, page, a, b;
extern std::vector<std::string> urls;
extern std::vector<evloop::task<int>> tasks;
extern std::vector<evloop::spawned<int>> jobs;
extern evloop::queue<int> items;
extern evloop::channel<std::string> texts;

evloop::task<std::string> fetch(std::string url);
evloop::task<int> measure(std::string url);
evloop::task<int> crawl(std::string host);
evloop::task<> save(std::string page);
evloop::task<> serve(std::string where);
evloop::task<> login();
evloop::task<> work();
evloop::task<> work(connection &c);
evloop::task<> program();
pool database(std::string url);
std::string read_file(std::string path);
void read_from(evl_fd fd, std::int64_t mask);
void reload();
void use(std::int64_t number);
void use(const std::string &text);
void log(const std::exception_ptr &error);
