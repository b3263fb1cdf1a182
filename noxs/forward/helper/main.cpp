// SPDX-License-Identifier: Apache-2.0
// chaos-forward: publishes TCP ports of guests on sockets of the host, for one network, with libslirp. A process of its
// own because it reads what guests send, with code that is not ours, and because connections outlive a chaosd.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/background.hpp"
#include "hypervisor/process/seqpacket.hpp"
#include "noxs/forward/helper/confine.hpp"
#include "noxs/forward/helper/server.hpp"

namespace {

constexpr const char* usage =
    "chaos-forward: publishes TCP ports of guests on sockets of the host. chaosd starts it; you need not.\n"
    "usage: chaos-forward --socket PATH --address ADDRESS/PREFIX [--foreground]\n"
    "  --socket PATH      listen there for chaosd (SOCK_SEQPACKET, mode 0600)\n"
    "  --address A.B.C.D/N  its own address on the guests' network\n"
    "  --foreground       do not go into the background\n"
    "It ends when no port is left to publish and chaosd is gone. Ending it ends all connections through it.\n";

struct Options {
    std::string socket;
    std::optional<noxs::Ipv4Net> address;
    bool foreground{false};
    bool help{false};
};

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--socket" && i + 1 < argc) {
            options.socket = argv[++i];
        } else if (word == "--address" && i + 1 < argc) {
            options.address = noxs::parse_ipv4_net(argv[++i], 0);
        } else if (word == "--foreground") {
            options.foreground = true;
        } else if (word == "--help" || word == "-h") {
            options.help = true;
        } else {
            return false;
        }
    }
    return options.help || (!options.socket.empty() && options.address && options.address->prefix != 0);
}

void raise_limits() {
    constexpr rlim_t most_descriptors = 1 << 20;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min(limit.rlim_max, most_descriptors);
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

base::Result<void> serve(const Options& options) {
    BASE_ASSIGN(auto listener, hypervisor::process::listen_seqpacket(options.socket));
    if (!options.foreground) {
        BASE_TRY(base::go_on_in_background());  // from here on clients can connect
    }
    BASE_TRY(noxs::forward::confine());
    noxs::forward::Server(std::move(listener), *options.address).run();
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) {
        std::fputs(usage, stderr);
        return 2;
    }
    if (options.help) {
        std::fputs(usage, stdout);
        return 0;
    }
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    ::umask(0077);
    ::close_range(3, ~0U, 0);
    raise_limits();
    if (const auto served = serve(options); !served) {
        std::fprintf(stderr, "chaos-forward: %s\n", served.error().message.c_str());
        return 1;
    }
    return 0;
}
