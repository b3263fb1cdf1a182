// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/process_stats.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <map>
#include <memory>

#include "base/fd.hpp"

namespace bench {
namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

std::string proc(pid_t pid, const char* file) {
    return "/proc/" + std::to_string(pid) + "/" + file;
}

std::vector<pid_t> numbered_entries(const std::string& path) {
    std::vector<pid_t> found;
    const Directory directory(::opendir(path.c_str()), &::closedir);
    while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
        const long number = std::strtol(entry->d_name, nullptr, 10);
        if (number > 0) {
            found.push_back(static_cast<pid_t>(number));
        }
    }
    return found;
}

// Field 4 of /proc/<pid>/stat; field 2 is a name in parentheses that may hold anything.
pid_t parent_of(pid_t pid) {
    const std::string text = slurp(proc(pid, "stat"));
    const std::size_t name_end = text.rfind(')');
    return name_end + 4 < text.size() ? static_cast<pid_t>(std::strtol(text.c_str() + name_end + 4, nullptr, 10)) : 0;
}

}  // namespace

std::string slurp(const std::string& path) {
    std::string text;
    const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char buffer[4096];
    ssize_t got = 0;
    while (file && (got = ::read(file.get(), buffer, sizeof buffer)) > 0) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

double field(const std::string& text, const std::string& name) {
    const std::string at_line_start = "\n" + name + ":";
    const std::size_t position = ("\n" + text).find(at_line_start);
    return position == std::string::npos ? 0 : std::strtod(text.c_str() + position + name.size() + 1, nullptr);
}

MemoryUse memory_of(pid_t pid) {
    const std::string text = slurp(proc(pid, "smaps_rollup"));
    return {field(text, "Pss"), field(text, "Private_Clean") + field(text, "Private_Dirty")};
}

double available_kib() {
    return field(slurp("/proc/meminfo"), "MemAvailable");
}

std::uint64_t cpu_ns(pid_t pid) {
    std::uint64_t total = 0;
    for (const pid_t thread : numbered_entries(proc(pid, "task"))) {
        const std::string path = proc(pid, "task/") + std::to_string(thread) + "/schedstat";
        total += std::strtoull(slurp(path).c_str(), nullptr, 10);
    }
    return total;
}

double machine_cpu_seconds() {
    // proc(5): cpu user nice system idle iowait irq softirq ..., in ticks.
    const std::string text = slurp("/proc/stat");
    const char* at = text.c_str() + std::min(text.size(), std::size_t{3});
    double ticks = 0;
    for (int column = 0; column < 7; ++column) {
        char* end = nullptr;
        const double value = std::strtod(at, &end);
        at = end;
        ticks += column == 3 || column == 4 ? 0 : value;
    }
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::vector<pid_t> descendants_of(pid_t pid) {
    std::multimap<pid_t, pid_t> children;
    for (const pid_t process : numbered_entries("/proc")) {
        children.emplace(parent_of(process), process);
    }
    std::vector<pid_t> found;
    std::vector<pid_t> open{pid};
    while (!open.empty()) {
        const auto [first, last] = children.equal_range(open.back());
        open.pop_back();
        for (auto child = first; child != last; ++child) {
            found.push_back(child->second);
            open.push_back(child->second);
        }
    }
    return found;
}

std::vector<pid_t> processes_of(const std::string& path, const std::string& word) {
    std::vector<pid_t> found;
    for (const pid_t pid : numbered_entries("/proc")) {
        char target[PATH_MAX];
        const ssize_t length = ::readlink(proc(pid, "exe").c_str(), target, sizeof target);
        if (length > 0 && std::string_view(target, static_cast<std::size_t>(length)) == path &&
            slurp(proc(pid, "cmdline")).find(word) != std::string::npos) {
            found.push_back(pid);
        }
    }
    return found;
}

}  // namespace bench
