// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/process/host_usage.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/fd.hpp"

namespace hypervisor::process {

namespace {

constexpr std::uint64_t descriptors_per_domain = 2;  // memory and doorbell
constexpr std::uint64_t descriptors_reserved = 256;  // clients, sockets, image files
constexpr std::uint64_t mappings_per_domain = 2;     // window, console ring
constexpr std::uint64_t mappings_reserved = 512;

std::string read_small_file(const char* path) {
    std::string text(8192, '\0');
    const base::Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    const auto size = file ? ::read(file.get(), text.data(), text.size()) : -1;
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return text;
}

/// The `index`-th word of `text`, counted from 0, as a number; 0 where there is none.
std::uint64_t number_at(std::string_view text, unsigned index) {
    for (; index > 0; --index) {
        const auto space = text.find(' ');
        if (space == std::string_view::npos) {
            return 0;
        }
        text.remove_prefix(space + 1);
    }
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::uint64_t number_in(const char* path, std::uint64_t otherwise) {
    const auto text = read_small_file(path);
    return text.empty() ? otherwise : number_at(text, 0);
}

void lower(DomainLimit& limit, std::uint64_t domains, const std::string& because) {
    if (domains < limit.domains) {
        limit.domains = static_cast<unsigned>(domains);
        limit.because = because;
    }
}

std::uint64_t fit(std::uint64_t total, std::uint64_t reserved, std::uint64_t each) {
    return total > reserved ? (total - reserved) / each : 0;
}

}  // namespace

Usage usage_of_process(std::int32_t pid) {
    const auto base = "/proc/" + std::to_string(pid);
    const auto stat = read_small_file((base + "/stat").c_str());
    const auto statm = read_small_file((base + "/statm").c_str());
    const auto comm_end = stat.rfind(") ");
    Usage usage;
    if (comm_end != std::string::npos) {
        // proc_pid_stat(5): state is field 3, utime 14, stime 15
        const auto fields = std::string_view(stat).substr(comm_end + 2);
        const auto ticks = number_at(fields, 11) + number_at(fields, 12);
        usage.cpu_time_us = ticks * 1000000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    }
    usage.resident = base::Bytes{number_at(statm, 1) * base::page_size};
    return usage;
}

base::Bytes host_memory() {
    struct sysinfo info {};
    ::sysinfo(&info);
    return base::Bytes{std::uint64_t{info.totalram} * info.mem_unit};
}

std::uint64_t oom_kills() {
    std::string text(16384, '\0');
    const base::Fd file(::open("/proc/vmstat", O_RDONLY | O_CLOEXEC));
    const auto size = file ? ::read(file.get(), text.data(), text.size()) : -1;
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    constexpr std::string_view key = "\noom_kill ";
    const auto at = text.find(key);
    return at == std::string::npos ? 0 : number_at(std::string_view(text).substr(at + key.size()), 0);
}

DomainLimit domain_limit(std::uint64_t hv_descriptors, unsigned tasks_per_domain) {
    DomainLimit limit{base::first_reserved_domid - 1U, "the number of domain ids"};
    rlimit own{};
    ::getrlimit(RLIMIT_NOFILE, &own);
    const auto descriptors = std::min<std::uint64_t>(own.rlim_cur, hv_descriptors);
    lower(limit, fit(descriptors, descriptors_reserved, descriptors_per_domain),
          "RLIMIT_NOFILE = " + std::to_string(descriptors) + ", two descriptors a domain (raise it with ulimit -Hn)");
    const auto mappings = number_in("/proc/sys/vm/max_map_count", 65530);
    lower(limit, fit(mappings, mappings_reserved, mappings_per_domain),
          "vm.max_map_count = " + std::to_string(mappings) + ", two mappings a domain");
    const auto pids = number_in("/proc/sys/kernel/pid_max", 32768);
    const auto tasks = tasks_per_domain == 1 ? "" : ", " + std::to_string(tasks_per_domain) + " tasks a domain";
    lower(limit, fit(pids, 1000, tasks_per_domain), "kernel.pid_max = " + std::to_string(pids) + tasks);
    rlimit processes{};
    ::getrlimit(RLIMIT_NPROC, &processes);
    if (::geteuid() != 0 && processes.rlim_cur != RLIM_INFINITY) {
        lower(limit, fit(processes.rlim_cur, 64, tasks_per_domain),
              "RLIMIT_NPROC = " + std::to_string(processes.rlim_cur) + tasks + " (raise it with ulimit -u)");
    }
    return limit;
}

}  // namespace hypervisor::process
