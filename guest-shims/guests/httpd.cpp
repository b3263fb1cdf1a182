// SPDX-License-Identifier: Apache-2.0
// A web server on TCP port 80: GET and HEAD, connections that stay open, requests that come before the last was
// answered. Serves /, /hello.txt, /1k and /100k; with root=vbd on its command line the files of the tar archive on its disk.
#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/net/disk_site.hpp"
#include "guest-shims/net/http_server.hpp"
#include "guest-shims/net/network.hpp"
#include "guest-shims/net/site.hpp"
#include "guest-shims/net/tcp.hpp"
#include "guest-shims/runtime/cmdline.hpp"

namespace guest {

namespace {

constexpr std::uint16_t http_port = 80;
constexpr Vif::Pools pools{.rx = 256, .tx = 256};

constexpr std::string_view index_page =
    "<!doctype html>\n<title>chaos</title>\n<h1>It works</h1>\n"
    "<p>This page comes from a virtual machine that serves nothing else:\n"
    "<a href=\"/hello.txt\">hello.txt</a>, <a href=\"/1k\">1 KiB</a>, <a href=\"/100k\">100 KiB</a>.\n";
constexpr std::string_view hello = "Hello from a guest.\n";
constexpr std::size_t pattern_size = 4096;

/// Lines of 64 characters.
std::string_view make_pattern(System& system) {
    constexpr std::string_view letters = "0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwx";
    auto* text = static_cast<char*>(system.allocate(pattern_size));
    for (std::size_t i = 0; i < pattern_size; ++i) {
        text[i] = i % 64 == 63 ? '\n' : letters[i % 64 % letters.size()];
    }
    return {text, pattern_size};
}

/// Returns what is wrong.
std::string_view add_files(System& system, Site& site) {
    const std::string_view root = option(system.cmdline(), "root").value_or("");
    if (root == "vbd") {
        return add_disk_files(system, site);
    }
    if (!root.empty()) {
        return "root= is not vbd";
    }
    const std::string_view pattern = make_pattern(system);
    const bool added = site.add("/", index_page) && site.add("/hello.txt", hello) &&
                       site.add("/1k", pattern.substr(0, 1024)) && site.add("/100k", pattern, 100 * 1024);
    return added ? "" : "no memory for the files";
}

}  // namespace

std::int32_t run(System& system) {
    Console console(system);
    Site site(system.heap());
    if (const std::string_view wrong = add_files(system, site); !wrong.empty()) {
        system.panic(wrong);
    }
    Network network(system, pools);
    TcpServer<HttpPeer> server(site);
    if (!server.listen(http_port)) {
        system.panic("no memory to listen");
    }
    system.ready();
    for (;;) {
        system.wait();
    }
}

}  // namespace guest
