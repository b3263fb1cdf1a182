// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/xen/libxen.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <vector>

namespace hypervisor::xen {

namespace {

constexpr std::size_t max_message = 512;

std::string& message_of_thread() {
    thread_local std::string message;
    return message;
}

void take_message(xentoollog_logger*, xentoollog_level level, int, const char*, const char* format, va_list arguments) {
    auto& message = message_of_thread();
    if (level < XTL_ERROR || message.size() >= max_message) {
        return;
    }
    std::array<char, max_message> line;
    std::vsnprintf(line.data(), line.size(), format, arguments);
    if (!message.empty()) {
        message += "; ";
    }
    message += line.data();
}

void take_progress(xentoollog_logger*, const char*, const char*, int, unsigned long, unsigned long) {}
void keep(xentoollog_logger*) {}

}  // namespace

std::string library_message() {
    return message_of_thread();
}
void clear_library_message() {
    message_of_thread().clear();
}

xentoollog_logger* library_logger() {
    static constinit xentoollog_logger logger{&take_message, &take_progress, &keep};
    return &logger;
}

base::Error xen_error(int err, std::string_view what) {
    if (err == EACCES) {
        return {base::Code::version_mismatch, err,
                std::string(what) +
                    ": this Xen speaks another control interface than the one chaosd was built for (Xen " +
                    std::to_string(XEN_DOMCTL_INTERFACE_VERSION) + "); build chaosd with the libxen-dev of your Xen"};
    }
    return base::sys_error(err, what);
}

Result<Toolstack> Toolstack::open() {
    Toolstack handles;
    handles.control_.reset(::xc_interface_open(library_logger(), library_logger(), 0));
    if (!handles.control_) {
        return base::fail(base::sys_error(errno, "opening /dev/xen/privcmd"));
    }
    handles.memory_.reset(::xenforeignmemory_open(library_logger(), 0));
    if (!handles.memory_) {
        return base::fail(base::sys_error(errno, "opening /dev/xen/privcmd for guest memory"));
    }
    return handles;
}

Result<base::Mapping> Toolstack::map(base::DomId domain, std::span<const xen_pfn_t> frames) const {
    void* at = ::xenforeignmemory_map(memory_.get(), domain.value, PROT_READ | PROT_WRITE, frames.size(), frames.data(),
                                      nullptr);
    if (at == nullptr) {
        return base::fail(base::sys_error(errno, "mapping guest pages"));
    }
    auto* memory = memory_.get();
    return base::Mapping::take(static_cast<std::byte*>(at), frames.size() * base::page_size,
                               [memory](std::byte* data, std::size_t size) {
                                   ::xenforeignmemory_unmap(memory, data, size / base::page_size);
                               });
}

Result<base::Mapping> Toolstack::map(base::DomId domain, base::Gfn first, std::size_t count) const {
    std::vector<xen_pfn_t> frames(count);
    for (std::size_t i = 0; i < count; ++i) {
        frames[i] = first.value + i;
    }
    return map(domain, frames);
}

}  // namespace hypervisor::xen
