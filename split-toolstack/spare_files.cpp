// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/spare_files.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "base/fd.hpp"

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

SpareFiles::~SpareFiles() {
    while (count_.load(std::memory_order_relaxed) != 0) {
        ::unlinkat(dir_, take().text, 0);
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
        ::unlinkat(dir_, name.text, 0);
        return;
    }
    kept_.push_back(name.number);
    count_.fetch_add(1, std::memory_order_relaxed);
}

bool SpareFiles::keep(const char* name) {
    if (count_.load(std::memory_order_relaxed) >= most) {
        return false;
    }
    if (::renameat(dir_, name, dir_, name_of(next_kept_).text) != 0) {
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
        ::openat(dir_, name_of(next_stocked_).text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file && stocked_.push(next_stocked_)) {
        count_.fetch_add(1, std::memory_order_relaxed);
    }
    next_stocked_ += 2;
}

}  // namespace split
