// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/spare_files.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string_view>

#include "split-toolstack/state_dir.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

SpareFiles::Name name_of(std::uint32_t number) {
    constexpr std::string_view prefix = "spare-";
    constexpr std::string_view suffix = ".tmp";
    SpareFiles::Name name;
    name.number = number;
    char* at = name.text + prefix.copy(name.text, prefix.size());
    at = std::to_chars(at, at + 10, number).ptr;
    at[suffix.copy(at, suffix.size())] = '\0';
    return name;
}

}  // namespace

base::Result<std::unique_ptr<SpareFiles>> SpareFiles::open(const std::string& path) {
    BASE_TRY(make_private_dir(path));
    base::Fd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir) {
        return base::fail_errno(errno, words("spare files '", path, "'"));
    }
    BASE_ASSIGN(const auto left_over, list_dir(path));
    for (const auto& name : left_over) {
        ::unlinkat(dir.get(), name.c_str(), 0);
    }
    return std::unique_ptr<SpareFiles>(new SpareFiles(std::move(dir)));
}

SpareFiles::~SpareFiles() {
    while (count_.load(std::memory_order_relaxed) != 0) {
        ::unlinkat(dir(), take().text, 0);
    }
}

SpareFiles::Name SpareFiles::take() {
    std::uint32_t number = 0;
    if (!kept_.empty()) {
        number = kept_.back();
        kept_.pop_back();
    } else if (const auto stocked = stocked_.pop()) {
        number = *stocked;
    } else {
        number = next_kept_;
        next_kept_ += 2;
        return name_of(number);
    }
    count_.fetch_sub(1, std::memory_order_relaxed);
    return name_of(number);
}

void SpareFiles::put_back(const Name& name) {
    if (count_.load(std::memory_order_relaxed) >= most) {
        ::unlinkat(dir(), name.text, 0);
        return;
    }
    kept_.push_back(name.number);
    count_.fetch_add(1, std::memory_order_relaxed);
}

bool SpareFiles::keep(int from, const char* name) {
    if (count_.load(std::memory_order_relaxed) >= most) {
        return false;
    }
    if (::renameat(from, name, dir(), name_of(next_kept_).text) != 0) {
        return false;
    }
    kept_.push_back(next_kept_);
    next_kept_ += 2;
    count_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void SpareFiles::stock() {
    if (count_.load(std::memory_order_relaxed) >= most) {
        return;
    }
    const base::Fd file(
        ::openat(dir(), name_of(next_stocked_).text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file && stocked_.push(next_stocked_)) {
        count_.fetch_add(1, std::memory_order_relaxed);
    }
    next_stocked_ += 2;
}

}  // namespace split
