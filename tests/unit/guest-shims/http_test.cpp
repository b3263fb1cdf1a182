// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/http.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "guest-shims/net/site.hpp"

namespace guest {
namespace {

/// Of texts that stay.
HttpRequest parse(std::string_view text) {
    const auto size = http_head_size(text);
    EXPECT_TRUE(size);
    return parse_http(text.substr(0, size.value_or(0)));
}

TEST(HttpHead, EndsWithAnEmptyLine) {
    EXPECT_FALSE(http_head_size(""));
    EXPECT_FALSE(http_head_size("GET / HTTP/1.1\r\n"));
    EXPECT_FALSE(http_head_size("GET / HTTP/1.1\r\nHost: x\r\n\r"));
    EXPECT_EQ(http_head_size("GET / HTTP/1.1\r\n\r\nGET"), 18U);
    EXPECT_EQ(http_head_size("GET / HTTP/1.1\n\n"), 16U);
    EXPECT_EQ(http_head_size("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 22U);
    EXPECT_FALSE(http_head_size("\r\n\r\n"));
}

TEST(HttpRequest, Get) {
    const auto request = parse("GET /a/b.txt?c=d HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(request.status, HttpStatus::ok);
    EXPECT_EQ(request.path, "/a/b.txt");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_FALSE(request.head);
}

TEST(HttpRequest, Head) {
    EXPECT_TRUE(parse("HEAD / HTTP/1.1\r\nhost:x\r\n\r\n").head);
}

TEST(HttpRequest, KeepsTheConnectionAsAsked) {
    EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, CLOSE\r\n\r\n").keep_alive);
    EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
    EXPECT_TRUE(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(HttpRequest, RefusesWhatIsNotServed) {
    EXPECT_EQ(parse("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n").status, HttpStatus::method_not_allowed);
    EXPECT_EQ(parse("GET / HTTP/2.0\r\nHost: x\r\n\r\n").status, HttpStatus::version_not_supported);
    EXPECT_EQ(parse("GET / HTTP/1.1\r\n\r\n").status, HttpStatus::bad_request) << "no Host";
    EXPECT_EQ(parse("GET x HTTP/1.1\r\nHost: x\r\n\r\n").status, HttpStatus::bad_request);
    EXPECT_EQ(parse("nonsense\r\n\r\n").status, HttpStatus::bad_request);
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n").status, HttpStatus::bad_request);
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n").status, HttpStatus::bad_request);
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost : x\r\n\r\n").status, HttpStatus::bad_request);
}

/// What follows such a head is its body, not the next request.
TEST(HttpRequest, ABodyEndsTheConnection) {
    for (const std::string field : {"Content-Length: 5", "Transfer-Encoding: chunked"}) {
        const std::string rest = " / HTTP/1.1\r\nHost: x\r\n" + field + "\r\n\r\n";
        const std::string get_text = "GET" + rest;
        const std::string post_text = "POST" + rest;
        const auto get = parse(get_text);
        EXPECT_EQ(get.status, HttpStatus::content_too_large);
        EXPECT_FALSE(get.keep_alive);
        const auto post = parse(post_text);
        EXPECT_EQ(post.status, HttpStatus::method_not_allowed);
        EXPECT_FALSE(post.keep_alive);
    }
    EXPECT_TRUE(parse("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").keep_alive);
}

class SiteTest : public testing::Test {
 protected:
    std::vector<std::uint64_t> memory = std::vector<std::uint64_t>(16 * 1024);
    Heap heap{{reinterpret_cast<std::uintptr_t>(memory.data()),
               reinterpret_cast<std::uintptr_t>(memory.data() + memory.size())}};
    Site site{heap};
};

TEST_F(SiteTest, AnswersWithItsFiles) {
    ASSERT_TRUE(site.add("/a.txt", "text"));
    ASSERT_TRUE(site.add("/big", "0123", 1000));
    const auto& answer = site.find("/a.txt");
    EXPECT_EQ(answer.piece, "text");
    EXPECT_EQ(answer.head,
              "HTTP/1.1 200 OK\r\nServer: chaos-httpd\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Content-Length: 4\r\n");
    EXPECT_EQ(site.find("/big").size, 1000U);
    EXPECT_TRUE(site.find("/big").head.ends_with("Content-Length: 1000\r\n"));
}

TEST_F(SiteTest, AnswersWithErrors) {
    EXPECT_TRUE(site.find("/nothing").head.starts_with("HTTP/1.1 404 Not Found\r\n"));
    EXPECT_TRUE(site.answer_of(HttpStatus::method_not_allowed).head.ends_with("Allow: GET, HEAD\r\n"));
}

TEST_F(SiteTest, IsFullAtSomePoint) {
    std::size_t added = 0;
    while (added <= Site::max_files && site.add("/x", "x")) {
        ++added;
    }
    EXPECT_EQ(added, Site::max_files);
}

}  // namespace
}  // namespace guest
