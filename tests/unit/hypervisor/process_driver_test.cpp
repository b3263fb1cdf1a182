// SPDX-License-Identifier: Apache-2.0
// The driver against a real chaos-hv, with guests of a few instructions.
#include "hypervisor/process/process_driver.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/hvm_start_info.hpp"
#include "hypervisor/process/hv_client.hpp"
#include "hypervisor/process/process_abi.hpp"
#include "hypervisor/process/seqpacket.hpp"
#include "hypervisor/ring_limit.hpp"
#include "tests/unit/hypervisor/hv_driver_fixture.hpp"

// Guests, position-independent, loaded at 1 MiB. rdi = start info, rsi = platform.
asm(R"(
        .section .rodata
        .globl guest_ring, guest_ring_end, guest_crash, guest_forbidden, guest_forbidden_args, guest_exit, guest_flood
guest_ring:                                     # rings port 5, then waits for events for ever; counts wakes at 0x100f00
        movl    $1, 0x100f08                    # ran
        mov     %rsi, 0x100f10
        mov     %rdi, 0x100f18
        lock orq $32, 0x14010
        mov     $1, %eax
        mov     $3, %edi
        mov     $0x100f20, %esi
        movq    $1, 0x100f20
        mov     $8, %edx
        syscall
1:      mov     0x14020, %edx
        xor     %eax, %eax
        xchg    %rax, 0x14000
        test    %rax, %rax
        jnz     2f
        movl    $1, 0x14024
        mov     $202, %eax
        mov     $0x14020, %edi
        xor     %esi, %esi
        xor     %r10d, %r10d
        syscall
        movl    $0, 0x14024
        jmp     1b
2:      lock orq %rax, 0x14010                  # echo the ports
        mov     $1, %eax
        mov     $3, %edi
        mov     $0x100f20, %esi
        mov     $8, %edx
        syscall
        jmp     1b
guest_crash:
        mov     $0xdead000, %eax
        movb    $1, (%rax)
guest_forbidden:
        mov     $39, %eax                       # getpid
        syscall
        hlt
guest_forbidden_args:
        mov     $1, %eax                        # write to another descriptor
        mov     $2, %edi
        mov     $0x100000, %esi
        mov     $8, %edx
        syscall
        hlt
guest_exit:
        mov     $231, %eax
        mov     $42, %edi
        syscall
guest_flood:
        lock orq $32, 0x14010
        mov     $1, %eax
        mov     $3, %edi
        mov     $0x100f20, %esi
        movq    $1, 0x100f20
        mov     $8, %edx
        syscall
        jmp     guest_flood
guest_ring_end:
        .previous
)");
extern "C" {
extern const std::byte guest_ring[];
extern const std::byte guest_ring_end[];
extern const std::byte guest_crash[];
extern const std::byte guest_forbidden[];
extern const std::byte guest_forbidden_args[];
extern const std::byte guest_exit[];
extern const std::byte guest_flood[];
}

namespace hypervisor::process {
namespace {

using namespace std::chrono_literals;

class ProcessDriverTest : public HvDriverTest {
 protected:
    ProcessDriverTest() : HvDriverTest(open_driver) {}

    void load(Domain& domain, const std::byte* entry, std::string_view cmdline = "quiet") {
        HvDriverTest::load(domain, {guest_ring, guest_ring_end}, entry, cmdline);
    }
    Domain& run(const std::byte* entry) { return HvDriverTest::run({guest_ring, guest_ring_end}, entry); }
};

TEST_F(ProcessDriverTest, ShellRunsOnlyAfterStart) {
    auto& domain = shell();
    load(domain, guest_ring);
    const auto before = domain.info(Detail::state);
    ASSERT_TRUE(before);
    EXPECT_EQ(before->phase, Phase::loaded);
    EXPECT_EQ(seen_.rings[domain.id().value], 0U);
    ASSERT_TRUE(domain.start(Caller::waits));
    EXPECT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 1; }));
    const auto page = domain.map_pages(base::gfn_of(abi::ram_gpa), 1);
    ASSERT_TRUE(page);
    EXPECT_EQ(*page->at<std::uint64_t>(0xf10), abi::platform_id);
    EXPECT_EQ(*page->at<std::uint64_t>(0xf18), abi::start_info_gpa);
}

TEST_F(ProcessDriverTest, BootInformationIsComplete) {
    auto& domain = shell();
    load(domain, guest_ring, "name=x");
    const auto page = domain.map_pages(base::gfn_of(abi::start_info_gpa), 1);
    ASSERT_TRUE(page);
    const auto at = [&](std::uint64_t gpa) { return page->data() + (gpa - abi::start_info_gpa); };
    const auto* info = page->at<base::HvmStartInfo>();
    EXPECT_EQ(info->magic, base::hvm_start_magic);
    EXPECT_STREQ(reinterpret_cast<const char*>(at(info->cmdline_paddr)), "name=x");
    ASSERT_EQ(info->nr_modules, 1U);
    const auto* module = reinterpret_cast<const base::HvmModule*>(at(info->modlist_paddr));
    EXPECT_EQ(module->paddr, abi::device_page_gpa);
    EXPECT_STREQ(reinterpret_cast<const char*>(at(module->cmdline_paddr)), base::noxs_module_cmdline);
    ASSERT_EQ(info->memmap_entries, 2U);
    const auto* map = reinterpret_cast<const base::HvmMemmapEntry*>(at(info->memmap_paddr));
    EXPECT_EQ(map[1].addr + map[1].size, base::mib(4).value);
}

TEST_F(ProcessDriverTest, NotifyWakesTheGuestAndItAnswers) {
    auto& domain = run(guest_ring);
    ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 1; }));
    for (unsigned i = 2; i < 50; ++i) {
        ASSERT_TRUE(domain.notify(base::EvtchnPort{5}));
        ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == i; }));
    }
}

TEST_F(ProcessDriverTest, CrashTellsSignalAndAddress) {
    const auto death = death_of(run(guest_crash));
    EXPECT_EQ(death.kind, DeathKind::crashed);
    EXPECT_EQ(death.signal, SIGSEGV);
    EXPECT_EQ(death.address, 0xdead000U);
    EXPECT_EQ(death.ip, abi::ram_gpa + static_cast<std::uint64_t>(guest_crash - guest_ring) + 5);
    ASSERT_TRUE(death.registers);
    EXPECT_EQ(death.registers->rax, 0xdead000U);
    EXPECT_EQ(death.registers->rip, death.ip);
    EXPECT_EQ(death.registers->rsi, abi::platform_id);
    EXPECT_EQ(death.registers->rdi, abi::start_info_gpa);
}

TEST_F(ProcessDriverTest, ForbiddenCallIsKilled) {
    using Case = std::pair<const std::byte*, std::string_view>;
    for (const auto& [guest, number] : {Case{guest_forbidden, "number 39 "}, Case{guest_forbidden_args, "number 1 "}}) {
        const auto death = death_of(run(guest));
        EXPECT_EQ(death.kind, DeathKind::forbidden_call);
        EXPECT_EQ(death.code, 0);
        EXPECT_NE(describe(death).find(number), std::string::npos) << describe(death);
        EXPECT_GT(death.ip, abi::ram_gpa);
        EXPECT_LT(death.ip, abi::ram_gpa + base::page_size);
    }
}

TEST_F(ProcessDriverTest, ExitCodeArrives) {
    const auto death = death_of(run(guest_exit));
    EXPECT_EQ(death.kind, DeathKind::exited);
    EXPECT_EQ(death.code, 42);
}

TEST_F(ProcessDriverTest, KilledFromOutside) {
    auto& domain = run(guest_ring);
    ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 1; }));
    ASSERT_EQ(::kill(static_cast<pid_t>(domain.info(Detail::state)->host_pid), SIGKILL), 0);
    const auto death = death_of(domain);
    EXPECT_EQ(death.signal, SIGKILL);
}

TEST_F(ProcessDriverTest, FloodOfRingsIsSilencedAndOthersGoOn) {
    auto& flood = run(guest_flood);
    auto& other = run(guest_ring);
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(poll_until([&] { return seen_.rings[other.id().value] == 1; }));
    ASSERT_TRUE(poll_until([&] { return seen_.rings[flood.id().value] > 500; }));
    // 200 rings in each window of 10 ms, at most one more when a window starts again
    const auto windows = (std::chrono::steady_clock::now() - start) / ring_window + 2;
    EXPECT_LE(seen_.rings[flood.id().value], 210U * static_cast<unsigned>(windows));
}

TEST_F(ProcessDriverTest, PauseStopsAndUnpauseResumes) {
    auto& domain = run(guest_ring);
    ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 1; }));
    ASSERT_TRUE(domain.pause());
    EXPECT_TRUE(domain.info(Detail::state)->paused);
    ASSERT_TRUE(domain.notify(base::EvtchnPort{5}));
    pollfd wait{driver_->poll_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&wait, 1, 50), 0);
    ASSERT_TRUE(domain.unpause());
    EXPECT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 2; }));
}

TEST_F(ProcessDriverTest, DestroyEndsTheProcessAndIsIdempotent) {
    auto& domain = run(guest_ring);
    const auto pid = static_cast<pid_t>(domain.info(Detail::state)->host_pid);
    ASSERT_TRUE(domain.destroy());
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
    EXPECT_TRUE(domain.destroy());
}

TEST_F(ProcessDriverTest, RunningDomainsOutliveTheDriverAndAreAdopted) {
    auto& domain = run(guest_ring);
    auto& parked = shell();
    const auto id = domain.id();
    const auto parked_pid = static_cast<pid_t>(parked.info(Detail::state)->host_pid);
    ASSERT_TRUE(poll_until([&] { return seen_.rings[id.value] == 1; }));
    domains_.clear();
    driver_.reset();
    ASSERT_TRUE(gone(parked_pid)) << "a shell without an image goes with its toolstack";
    open();
    ASSERT_EQ(domains_.size(), 1U);
    EXPECT_EQ(domains_[0]->id(), id);
    EXPECT_EQ(domains_[0]->info(Detail::state)->phase, Phase::started);
    ASSERT_TRUE(domains_[0]->notify(base::EvtchnPort{5}));
    EXPECT_TRUE(poll_until([&] { return seen_.rings[id.value] == 2; }));
    ASSERT_TRUE(domains_[0]->destroy());
}

TEST_F(ProcessDriverTest, LeavesNoSocketBehind) {
    ASSERT_TRUE(shell().destroy());
    ASSERT_TRUE(std::filesystem::exists(options_.runtime_dir + "/hv.sock"));
    domains_.clear();
    driver_.reset();
    EXPECT_TRUE(socket_goes());
}

TEST_F(ProcessDriverTest, DeathWhileNobodyListensIsToldLater) {
    auto& domain = shell();
    load(domain, guest_exit);
    domains_.pop_back();  // the handles go; the domain is loaded, so it stays
    driver_.reset();
    open();
    ASSERT_EQ(domains_.size(), 1U);
    ASSERT_TRUE(domains_[0]->start(Caller::waits));
    EXPECT_EQ(death_of(*domains_[0]).code, 42);
    domains_.clear();
    driver_.reset();
    open();
    ASSERT_EQ(domains_.size(), 1U);
    const auto info = domains_[0]->info(Detail::state);
    EXPECT_EQ(info->phase, Phase::dead);
    EXPECT_EQ(info->death.code, 42);
    ASSERT_TRUE(domains_[0]->destroy());
}

TEST_F(ProcessDriverTest, GrantIsCheckedAgainstTheGuestsTable) {
    auto& domain = shell();
    const auto control = domain.layout().control_first;
    ASSERT_TRUE(domain.seed_grant(base::GrantRef{511}, base::dom0, control));
    ASSERT_TRUE(domain.map_grant(base::GrantRef{511}, base::dom0, base::Access::read_write));
    EXPECT_FALSE(domain.map_grant(base::GrantRef{511}, base::DomId{7}, base::Access::read_write));
    EXPECT_FALSE(domain.map_grant(base::GrantRef{510}, base::dom0, base::Access::read_write));
    EXPECT_FALSE(domain.map_grant(base::GrantRef{abi::grant_entries}, base::dom0, base::Access::read_write));
    EXPECT_FALSE(domain.map_grant(base::GrantRef{0xffffffff}, base::dom0, base::Access::read_write));

    const auto grant = [&](std::uint32_t ref, base::GrantEntryV1 entry) {
        ASSERT_TRUE(domain.write(abi::grant_table_gpa + ref * sizeof entry, std::as_bytes(std::span(&entry, 1))));
    };
    grant(8, {base::grant_permit_access | base::grant_readonly, 0, 0x200});
    EXPECT_TRUE(domain.map_grant(base::GrantRef{8}, base::dom0, base::Access::read_only));
    EXPECT_FALSE(domain.map_grant(base::GrantRef{8}, base::dom0, base::Access::read_write));
    for (const std::uint32_t frame : {0x400U, 0xffffffffU, 0x10U, 0x12U, 0x17U, 0x14U, 0xe0U, 0U}) {
        grant(9, {base::grant_permit_access, 0, frame});
        EXPECT_FALSE(domain.map_grant(base::GrantRef{9}, base::dom0, base::Access::read_write)) << frame;
    }
}

TEST_F(ProcessDriverTest, WritesAndMappingsStayInside) {
    auto& domain = shell();
    const std::array<std::byte, 16> bytes{};
    EXPECT_FALSE(domain.write(base::mib(4).value - 8, bytes));
    EXPECT_FALSE(domain.write(~std::uint64_t{0} - 3, bytes));
    EXPECT_FALSE(domain.map_pages(base::Gfn{0x3ff}, 2));
    EXPECT_FALSE(domain.map_pages(base::Gfn{~std::uint64_t{0}}, 1));
    EXPECT_FALSE(domain.map_pages(base::Gfn{0}, 0));
}

TEST_F(ProcessDriverTest, RejectsAbsurdShapes) {
    EXPECT_EQ(driver_->create_shell({base::mib(1), 1, 2}).error().code, base::Code::invalid_argument);
    EXPECT_EQ(driver_->create_shell({base::Bytes{~std::uint64_t{0}}, 1, 2}).error().code, base::Code::invalid_argument);
    EXPECT_EQ(driver_->create_shell({base::mib(4), 2, 2}).error().code, base::Code::unsupported);
    EXPECT_EQ(driver_->create_shell({base::mib(4), 1, 0}).error().code, base::Code::invalid_argument);
    EXPECT_EQ(driver_->create_shell({base::mib(4), 1, 105}).error().code, base::Code::invalid_argument);
}

TEST_F(ProcessDriverTest, DomainHasNothingBeyondItsConfinement) {
    auto& domain = shell();
    const auto proc = "/proc/" + std::to_string(domain.info(Detail::state)->host_pid);
    std::ifstream status(proc + "/status");
    std::map<std::string, std::string> fields;
    for (std::string line; std::getline(status, line);) {
        const auto colon = line.find(":\t");
        if (colon != std::string::npos) {
            fields[line.substr(0, colon)] = line.substr(colon + 2);
        }
    }
    EXPECT_EQ(fields["Seccomp"], "2");
    EXPECT_EQ(fields["NoNewPrivs"], "1");
    for (const char* set : {"CapPrm", "CapEff", "CapInh", "CapAmb"}) {
        EXPECT_EQ(fields[set], "0000000000000000") << set;
    }
    std::ifstream maps(proc + "/maps");
    for (std::string line; std::getline(maps, line);) {
        const auto from = std::stoull(line, nullptr, 16);
        EXPECT_TRUE(from < base::mib(4).value || line.find("vsyscall") != std::string::npos) << line;
    }
    unsigned descriptors = 0;
    for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd")) {
        EXPECT_EQ(entry.path().filename(), "3");
        ++descriptors;
    }
    EXPECT_EQ(descriptors, 1U);
}

TEST_F(ProcessDriverTest, ThreadsPrepareWhileTheMainThreadLaunches) {
    std::vector<std::unique_ptr<Domain>> made;
    std::thread refill([&] {
        for (int i = 0; i < 50; ++i) {
            auto domain = driver_->create_shell({base::mib(4), 1, 2});
            ASSERT_TRUE(domain) << domain.error().message;
            made.push_back(std::move(*domain));
        }
    });
    for (int i = 0; i < 50; ++i) {
        auto& domain = run(guest_ring);
        ASSERT_TRUE(poll_until([&] { return seen_.rings[domain.id().value] == 1; }));
        ASSERT_TRUE(domain.destroy());
    }
    refill.join();
    for (auto& domain : made) {
        EXPECT_TRUE(domain->destroy());
    }
}

/// The two must not take each other for gone: a new chaos-hv in the old one's place would leave its domains to nobody.
TEST(HvClient, KnowsAChaosHvOfAnotherVersion) {
    const std::string folder = std::filesystem::temp_directory_path() / ("chaos-hv-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    const auto path = folder + "/" + socket_name;
    auto listener = listen_seqpacket(path);
    ASSERT_TRUE(listener) << listener.error().message;
    std::thread old([&] {
        const base::Fd peer(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
        std::array<std::byte, 32> request;  // of every version
        EXPECT_TRUE(receive_packet(peer.get(), request, Wait::yes));
        const std::array<std::byte, 256> reply{};  // of version 1
        EXPECT_TRUE(send_packet(peer.get(), reply));
    });
    Reply hello{};
    const auto client = HvClient::connect(path, Kind::process, hello);
    old.join();
    std::filesystem::remove_all(folder);
    ASSERT_FALSE(client);
    EXPECT_EQ(client.error().code, base::Code::version_mismatch) << client.error().message;
    EXPECT_NE(client.error().message.find("speaks another protocol"), std::string::npos) << client.error().message;
}

}  // namespace
}  // namespace hypervisor::process
