// address_test.cpp - addresses as values: from text and from the system's, compared.
#include "servers.hpp"

#include <sys/un.h>

using namespace servers;

namespace {

evl_address from(const char *text) {
    evl_address a;
    EXPECT_EQ(evl_address_from_text(text, &a), 0) << text;
    return a;
}

std::string text_of(const evl_address &a) {
    char text[EVL_ADDRESS_TEXT] = "";
    EXPECT_GE(evl_address_text(a.data, a.length, text, sizeof text), 0);
    return text;
}

TEST(Address, FromTextAndBack) {
    const char *same[] = {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535",
                          "[::1]:80",     "[::]:0",    "[fe80::1%1]:1",
                          "/tmp/socket",  "@abstract", "./relative"};
    for (const char *text : same)
        EXPECT_EQ(text_of(from(text)), text);
    EXPECT_EQ(text_of(from("127.0.0.1")), "127.0.0.1:0");
    EXPECT_EQ(text_of(from("::1")), "[::1]:0");
    EXPECT_EQ(text_of(from("[::1]")), "[::1]:0");
    EXPECT_EQ(text_of(from("[fe80::1%lo]:7")), text_of(from("[fe80::1%1]:7")));
    EXPECT_EQ(text_of(from("1.2.3.4:00080")), "1.2.3.4:80");
}

TEST(Address, WhatIsNoAddress) {
    const char *wrong[] = {"",           ":",           ":80",          "localhost:80",
                           "127.0.0.1:", "127.0.0.1:x", "1.2.3:80",     "1.2.3.4:65536",
                           "1.2.3.4:-1", "1.2.3.4: 1",  "1.2.3.4:80 ",  "[::1",
                           "[::1]80",    "[::1]:",      "[::1]:000080", "[]:80",
                           "[",          "::1:",        "[1.2.3.4]:80", "1.2.3.4:99999999999999999999"};
    for (const char *text : wrong) {
        evl_address a;
        a.length = 9;
        EXPECT_EQ(evl_address_from_text(text, &a), EVL_EINVAL) << text;
        EXPECT_EQ(a.length, 0u) << text;
    }
    evl_address a;
    EXPECT_EQ(evl_address_from_text(nullptr, &a), EVL_EINVAL);
    EXPECT_EQ(evl_address_from_text("::1", nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_address_from_text(std::string(300, '1').c_str(), &a), EVL_EINVAL);
    EXPECT_EQ(evl_address_from_text(('/' + std::string(300, 'p')).c_str(), &a), EVL_ENAMETOOLONG);
    EXPECT_LT(evl_address_from_text("[fe80::1%no-such-if]:1", &a), 0);
}

TEST(Address, FromTheSystems) {
    evl_address a;
    SocketAddress raw("127.0.0.1", 80);
    EXPECT_EQ(evl_address_set(&a, &raw.bytes, raw.length), 0);
    EXPECT_EQ(text_of(a), "127.0.0.1:80");
    evl_address copy = a;
    EXPECT_EQ(evl_address_set(&a, a.data, a.length), 0) << "it may lie in itself";
    EXPECT_EQ(evl_address_compare(&a, &copy), 0);
    std::string shifted = "x" + std::string(reinterpret_cast<const char *>(&raw.bytes), raw.length);
    EXPECT_EQ(evl_address_set(&a, shifted.data() + 1, raw.length), 0) << "aligned or not";
    EXPECT_EQ(evl_address_compare(&a, &copy), 0);
    EXPECT_EQ(evl_address_set(&a, &raw.bytes, 3), EVL_EINVAL);
    EXPECT_EQ(a.length, 0u);
    EXPECT_EQ(evl_address_set(&a, nullptr, raw.length), EVL_EINVAL);
    EXPECT_EQ(evl_address_set(nullptr, &raw.bytes, raw.length), EVL_EINVAL);
    EXPECT_EQ(evl_address_set(&a, &raw.bytes, 1000), EVL_EINVAL);
    raw.bytes.ss_family = 77;
    EXPECT_EQ(evl_address_set(&a, &raw.bytes, raw.length), EVL_EAFNOSUPPORT);
}

TEST(Address, AreOrdered) {
    const evl_address none{};
    const evl_address order[] = {none,
                                 from("@a"),
                                 from("@aa"),
                                 from("/a"),
                                 from("/a/b"),
                                 from("/b"),
                                 from("1.2.3.4:80"),
                                 from("1.2.3.4:81"),
                                 from("1.2.3.200:1"),
                                 from("200.0.0.1:1"),
                                 from("[::1]:80"),
                                 from("[::1]:443"),
                                 from("[::ffff:1.2.3.4]:80"),
                                 from("[fe80::1%1]:1"),
                                 from("[fe80::1%2]:1")};
    const int n = sizeof order / sizeof *order;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            EXPECT_EQ(evl_address_compare(&order[i], &order[j]), i < j ? -1 : i > j) << i << " " << j;
    EXPECT_EQ(evl_address_compare(nullptr, &none), 0);
    EXPECT_EQ(evl_address_compare(nullptr, &order[1]), -1);
    EXPECT_EQ(evl_address_compare(&order[1], nullptr), 1);
}

// Bytes that mean nothing: behind a path's end, padding, flow labels.
TEST(Address, WhatMeansNothingIsLeftOut) {
    evl_address a = from("/tmp/x"), b = a;
    b.length++;
    EXPECT_EQ(evl_address_compare(&a, &b), 0);
    a = from("1.2.3.4:5");
    b = a;
    sockaddr_in v4;
    std::memcpy(&v4, b.data, sizeof v4);
    v4.sin_zero[3] = 7;
    std::memcpy(b.data, &v4, sizeof v4);
    EXPECT_EQ(evl_address_compare(&a, &b), 0);
    a = from("[::1]:5");
    b = a;
    sockaddr_in6 v6;
    std::memcpy(&v6, b.data, sizeof v6);
    v6.sin6_flowinfo = 99;
    std::memcpy(b.data, &v6, sizeof v6);
    EXPECT_EQ(evl_address_compare(&a, &b), 0);
}

// Where addresses go in and come out.
TEST(Address, IsWhatTheCallsTake) {
    World w;
    evl_udp *udp = nullptr;
    evl_address local = from("127.0.0.1:0"), found;
    ASSERT_EQ(evl_udp_open(w.loop, local.data, local.length, 0, &udp), 0);
    found.length = static_cast<uint32_t>(evl_udp_local(udp, found.data, sizeof found.data));
    EXPECT_GT(evl_address_port(found.data, found.length), 0);
    EXPECT_EQ(evl_address_compare(&found, &local), 1) << "it has a port now";
}

} // namespace
