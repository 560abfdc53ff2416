// malformed_test.cpp - requests that are wrong, odd, or meant to be read in two ways.
#include "httpd.hpp"

using namespace httpd;

namespace {

struct Row {
    std::string text;
    int status; // 0: nothing is sent yet, for it is not complete
};

const std::string host = "Host: a\r\n";
std::string with(const std::string &headers, const std::string &body = "") {
    return "POST / HTTP/1.1\r\n" + host + headers + "\r\n" + body;
}
std::string line(const std::string &text) { return text + "\r\n" + host + "\r\n"; }

const std::vector<Row> &rows() {
    using namespace std::string_literals;
    static const std::vector<Row> all = {
        // lines
        {line("GET / HTTP/1.1"), 200},
        {"\r\n" + line("GET / HTTP/1.1"), 200},
        {"\r\n\r\n" + line("GET / HTTP/1.1"), 200},
        {line("OPTIONS * HTTP/1.1"), 200},
        {line("GET http://a/b HTTP/1.1"), 200},
        {line("M-SEARCH / HTTP/1.1"), 200},
        {line("GET / HTTP/2.0"), 505},
        {line("GET / HTTP/1.2"), 505},
        {line("GET / HTTP/0.9"), 505},
        {line("GET /"), 400},
        {line("GET / HTTP/1.1 "), 400},
        {line("GET / HTTP/11"), 400},
        {line("GET / http/1.1"), 400},
        {line("GET / HTTX/1.1"), 400},
        {line("GET  / HTTP/1.1"), 400},
        {line("GET /  HTTP/1.1"), 400},
        {line(" GET / HTTP/1.1"), 400},
        {line("GET\t/ HTTP/1.1"), 400},
        {line("G@T / HTTP/1.1"), 400},
        {line("GET /a b HTTP/1.1"), 400},
        {line("GET /\x01 HTTP/1.1"), 400},
        {line("GET /\x7f HTTP/1.1"), 400},
        {line("GET /"s + '\0' + " HTTP/1.1"), 400},
        {"GET / HTTP/1.1\n" + host + "\r\n", 400},
        {"GET / HTTP/1.1\r" + host + "\r\n", 400},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s, 400},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"GET /" + std::string(20000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414},
        {"GET /" + std::string(20000, 'a'), 414},
        // headers
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\n\r\n", 200},
        {with(host), 400},
        {with("X-A : b\r\n"), 400},
        {with(" X-A: b\r\n"), 400},
        {with("X-A: b\r\n c\r\n"), 400},
        {with("X-A: b\r\n\tc\r\n"), 400},
        {with("X-A\r\n"), 400},
        {with(": b\r\n"), 400},
        {with("X A: b\r\n"), 400},
        {with("X-A: b\nX-B: c\r\n"), 400},
        {with("X-A: b\rc\r\n"), 400},
        {with("X-A: b"s + '\0' + "c\r\n"), 400},
        {with("X-A: \x01\r\n"), 400},
        {with("X-\xe4: b\r\n"), 400},
        {with("X-A: \xe4\r\n"), 200},
        {with("X-A:\r\n"), 200},
        {with("X-A:   \t \r\n"), 200},
        {with("X-A: " + std::string(20000, 'a') + "\r\n"), 431},
        {with("X-A: " + std::string(9000, 'a') + "\r\nX-B: " + std::string(9000, 'a') + "\r\n"), 431},
        {with("Expect: a-lot\r\n"), 417},
        // lengths
        {with("Content-Length: 0\r\n"), 200},
        {with("Content-Length: 2\r\n", "ab"), 200},
        {with("Content-Length: 2\r\n", "a"), 0},
        {with("Content-Length: -1\r\n"), 400},
        {with("Content-Length: +1\r\n", "a"), 400},
        {with("Content-Length: 0x1\r\n", "a"), 400},
        {with("Content-Length: 1 1\r\n", "a"), 400},
        {with("Content-Length: 1, 1\r\n", "a"), 400},
        {with("Content-Length:\r\n"), 400},
        {with("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), 400},
        {with("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), 400},
        {with("Content-Length: 99999999999999999999999\r\n"), 400},
        {with("Content-Length: 18446744073709551615\r\n"), 413},
        {with("Content-Length: 1048577\r\n"), 413},
        // both, and codings
        {with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
        {with("Transfer-Encoding: identity\r\nContent-Length: 1\r\n", "a"), 501},
        {with("Transfer-Encoding: gzip\r\n"), 501},
        {with("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
        {with("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), 501},
        {with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501},
        {with("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), 501},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {with("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
        {with("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400},
        // chunks
        {with("Transfer-Encoding: Chunked\r\n", "1\r\na\r\n0\r\n\r\n"), 200},
        {with("Transfer-Encoding: chunked\r\n", "1;a=\"b\"\r\na\r\n000\r\n\r\n"), 200},
        {with("Transfer-Encoding: chunked\r\n", "0\r\nX-T: 1\r\n\r\n"), 200},
        {with("Transfer-Encoding: chunked\r\n", "g\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\n", "0x1\r\na\r\n0\r\n\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\n", "-1\r\na\r\n0\r\n\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\n", "1\r\nab\r\n0\r\n\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\n", "1\na\n0\n\n"), 0},
        {with("Transfer-Encoding: chunked\r\n", "1\na\r\n0\r\n\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\n", "11111111111111111\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n"), 413},
        {with("Transfer-Encoding: chunked\r\n", "100001\r\n"), 413},
        {with("Transfer-Encoding: chunked\r\n", "1;" + std::string(20000, 'a')), 431},
        {with("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 1\r\n\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\n", "0\r\nX-T : 1\r\n\r\n"), 400},
        {with("Transfer-Encoding: chunked\r\n", "0\r\nX-T: " + std::string(20000, 'a') + "\r\n\r\n"), 431},
        {with("Transfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n"), 0},
    };
    return all;
}

void judge(const Row &row, Client &client, Server &server, const std::string &got) {
    EXPECT_EQ(status_of(got), row.status) << testing::PrintToString(row.text.substr(0, 200)) << "\n" << got;
    EXPECT_EQ(client.ended(), row.status >= 400 || row.text.find("HTTP/1.0") != std::string::npos)
        << row.text;
    EXPECT_EQ(server.calls, row.status == 200) << row.text;
    EXPECT_EQ(got.rfind("HTTP/1.1 "), row.status != 0 ? 0 : std::string::npos) << "one response\n"
                                                                               << row.text << got;
}

TEST(HttpdMalformed, AtOnce) {
    World w;
    for (const Row &row : rows()) {
        Server server(w, echo);
        Client client(server);
        judge(row, client, server, client.ask(row.text));
    }
}

// What lies where a piece ends makes no difference.
TEST(HttpdMalformed, InTwoPieces) {
    World w;
    for (const Row &row : rows()) {
        if (row.text.size() > 1000)
            continue;
        for (size_t at = 1; at < row.text.size(); at += slow() ? 7 : 3) {
            Server server(w, echo);
            Client client(server);
            std::string got = client.ask(row.text.substr(0, at));
            if (got.empty())
                got = client.ask(row.text.substr(at));
            judge(row, client, server, got);
            ASSERT_FALSE(HasFailure()) << at;
        }
    }
}

TEST(HttpdMalformed, HowManyHeaders) {
    World w;
    Server server(w, echo, {.max_headers = 5});
    std::string headers;
    for (int i = 0; i < 4; i++)
        headers += "X: y\r\n";
    Client few(server), many(server);
    EXPECT_EQ(status_of(few.ask(with(headers))), 200);
    EXPECT_EQ(status_of(many.ask(with(headers + "X: y\r\n"))), 431);
}

// Nothing that follows a refused request is taken for another one.
TEST(HttpdMalformed, WhatFollowsIsNotRead) {
    World w;
    Server server(w, echo);
    Client client(server);
    client.ask(with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n") +
               line("GET /x HTTP/1.1"));
    EXPECT_EQ(server.calls, 0);
}

} // namespace
