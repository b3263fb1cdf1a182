// SPDX-License-Identifier: Apache-2.0
// chaos-hv: the hypervisor of the process and kvm drivers. Owns the domains, so that chaosd can crash and come back.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "base/background.hpp"
#include "hypervisor/kvm/hv/virtual_machine.hpp"
#include "hypervisor/process/hv/confined_process.hpp"
#include "hypervisor/process/hv/confinement.hpp"
#include "hypervisor/process/hv/domain_process.hpp"
#include "hypervisor/process/hv/server.hpp"
#include "hypervisor/process/hv_protocol.hpp"
#include "hypervisor/process/seqpacket.hpp"

namespace {

using namespace hypervisor::process;

constexpr const char* usage =
    "chaos-hv: owns the domains of chaos's process and kvm drivers. chaosd starts it; you need not.\n"
    "usage: chaos-hv --socket PATH [--foreground]\n"
    "  --socket PATH   listen there (SOCK_SEQPACKET, mode 0600)\n"
    "  --foreground    do not go into the background\n"
    "It ends when its last client is gone and no domain is left. Ending it ends all its domains.\n";

struct Options {
    std::string socket;
    bool foreground{false};
    bool help{false};
};

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--socket" && i + 1 < argc) {
            options.socket = argv[++i];
        } else if (word == "--foreground") {
            options.foreground = true;
        } else if (word == "--help" || word == "-h") {
            options.help = true;
        } else {
            return false;
        }
    }
    return options.help || !options.socket.empty();
}

/// Descriptors 0, 1 and the reserved slots hold /dev/null, everything else but standard error is closed.
bool tidy_descriptors() {
    if (::close_range(3, ~0U, 0) != 0) {
        return false;
    }
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    return null == reserved_doorbell_slot && ::dup2(null, 0) == 0 && ::dup2(null, 1) == 1 &&
           ::dup3(null, reserved_device_slot, O_CLOEXEC) == reserved_device_slot &&
           ::dup3(null, reserved_data_doorbell_slot, O_CLOEXEC) == reserved_data_doorbell_slot;
}

void raise_limits() {
    rlimit descriptors{};
    ::getrlimit(RLIMIT_NOFILE, &descriptors);
    const rlimit wanted{1U << 20, 1U << 20};
    if (descriptors.rlim_max >= wanted.rlim_max || ::setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
        descriptors.rlim_cur = descriptors.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
}

/// The socket's entry in its folder, held so that it can be removed from inside an empty root directory.
class SocketEntry {
 public:
    explicit SocketEntry(const std::string& path) {
        const auto slash = path.rfind('/');
        name_ = slash == std::string::npos ? path : path.substr(slash + 1);
        const auto folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
        folder_.reset(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        inode_ = inode();
    }
    /// Removes the entry unless another chaos-hv has put its own there.
    void remove() const {
        if (inode_ != 0 && inode() == inode_) {
            ::unlinkat(folder_.get(), name_.c_str(), 0);
        }
    }

 private:
    ino_t inode() const {
        struct stat entry {};
        return ::fstatat(folder_.get(), name_.c_str(), &entry, AT_SYMLINK_NOFOLLOW) == 0 ? entry.st_ino : 0;
    }

    std::string name_;
    base::Fd folder_;
    ino_t inode_{0};
};

base::Result<void> serve(const Options& options) {
    BASE_ASSIGN(auto listener, listen_seqpacket(options.socket));
    const SocketEntry entry(options.socket);
    Offers offers{ConfinedProcess::open(), hypervisor::kvm::VirtualMachine::open()};  // in the order of Kind
    BASE_TRY(offers[0]);
    BASE_ASSIGN(auto missing, confine_self());
    ::prctl(PR_SET_DUMPABLE, 0);
    if (!options.foreground) {
        BASE_TRY(base::go_on_in_background());  // from here on clients can connect
    }
    BASE_ASSIGN(const auto server, Server::open(std::move(listener), std::move(offers), std::move(missing)));
    const auto served = server->run();
    entry.remove();
    return served;
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
    if (!tidy_descriptors()) {
        std::fputs("chaos-hv: cannot tidy its descriptors\n", stderr);
        return 1;
    }
    raise_limits();
    base::grow_descriptor_table(descriptors_of_all_domains);
    if (const auto served = serve(options); !served) {
        std::fprintf(stderr, "chaos-hv: %s\n", served.error().message.c_str());
        return 1;
    }
    return 0;
}
