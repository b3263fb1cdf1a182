// SPDX-License-Identifier: Apache-2.0
#include "noxs/page_writer.hpp"

#include <algorithm>
#include <string>

#include "noxs/backends.hpp"

namespace noxs {

namespace {

constexpr std::size_t header_size = offsetof(wire::DevicePage, entries);

bool is(const wire::DeviceEntry& entry, wire::DeviceType type, std::uint32_t id) {
    return entry.type == type && entry.id == id;
}

bool in_use(const wire::DeviceEntry& entry) {
    return entry.type != wire::DeviceType::none;
}

std::string device_name(wire::DeviceType type, std::uint32_t id) {
    return std::string(type_name(type)) + " " + std::to_string(id);
}

Result<void> write_word(const PageWriter::Write& write, std::size_t offset, std::uint32_t value) {
    return write(offset, std::as_bytes(std::span(&value, 1)));
}

}  // namespace

PageWriter PageWriter::take_over(std::uint32_t generation) {
    PageWriter writer;
    writer.generation_ = generation;
    writer.peer_ = Peer::live;
    writer.slots_.resize(wire::max_devices);
    writer.dirty_end_ = wire::max_devices;
    return writer;
}

Result<void> PageWriter::add(const wire::DeviceEntry& entry) {
    if (!in_use(entry) || entry.flags != 0 || entry.reserved0 != 0 || entry.reserved1 != 0) {
        return base::fail(base::Code::invalid_argument, "device entry without a type or with a reserved field set");
    }
    if (find(entry.type, entry.id) != nullptr) {
        return base::fail(base::Code::name_in_use, device_name(entry.type, entry.id) + " is in the device page");
    }
    auto slot = std::ranges::find_if_not(slots_, in_use);
    if (slot == slots_.end()) {
        if (slots_.size() == wire::max_devices) {
            return base::fail(base::Code::limit_reached,
                              "the device page holds " + std::to_string(wire::max_devices) + " devices");
        }
        slot = slots_.insert(slots_.end(), wire::DeviceEntry{});
    }
    *slot = entry;
    touch(static_cast<std::size_t>(slot - slots_.begin()));
    return {};
}

Result<void> PageWriter::remove(wire::DeviceType type, std::uint32_t id) {
    const auto slot = std::ranges::find_if(slots_, [&](const auto& entry) { return is(entry, type, id); });
    if (slot == slots_.end() || type == wire::DeviceType::none) {
        return base::fail(base::Code::not_found, device_name(type, id) + " is not in the device page");
    }
    *slot = {};
    touch(static_cast<std::size_t>(slot - slots_.begin()));
    return {};
}

const wire::DeviceEntry* PageWriter::find(wire::DeviceType type, std::uint32_t id) const {
    const auto slot = std::ranges::find_if(slots_, [&](const auto& entry) { return is(entry, type, id); });
    return slot == slots_.end() || type == wire::DeviceType::none ? nullptr : &*slot;
}

std::size_t PageWriter::devices() const {
    return static_cast<std::size_t>(std::ranges::count_if(slots_, in_use));
}

std::uint32_t PageWriter::count() const {
    const auto last = std::find_if(slots_.rbegin(), slots_.rend(), in_use);
    return static_cast<std::uint32_t>(slots_.rend() - last);
}

void PageWriter::touch(std::size_t slot) {
    const auto index = static_cast<std::uint32_t>(slot);
    dirty_first_ = dirty_end_ == 0 ? index : std::min(dirty_first_, index);
    dirty_end_ = std::max(dirty_end_, index + 1);
}

wire::DevicePage PageWriter::image() const {
    wire::DevicePage page{};
    page.magic = wire::magic;
    page.version = wire::version;
    page.entry_size = sizeof(wire::DeviceEntry);
    page.generation = generation_;
    page.count = count();
    std::ranges::copy(slots_, page.entries);
    return page;
}

Result<void> PageWriter::publish(const Write& write) {
    if (peer_ == Peer::none) {
        return publish_fresh(write);
    }
    return dirty_end_ == 0 && generation_ % 2 == 0 ? Result<void>{} : publish_live(write);
}

Result<void> PageWriter::publish(hypervisor::Domain& domain) {
    const std::uint64_t page = base::gpa_of(domain.layout().device_page);
    return publish(
        [&](std::size_t offset, std::span<const std::byte> bytes) { return domain.write(page + offset, bytes); });
}

Result<void> PageWriter::publish_fresh(const Write& write) {
    wire::DevicePage page = image();
    page.generation = generation_ + 2;
    const std::size_t size = header_size + slots_.size() * sizeof(wire::DeviceEntry);
    BASE_TRY(write(0, std::as_bytes(std::span(&page, 1)).first(size)));
    generation_ = page.generation;
    dirty_first_ = dirty_end_ = 0;
    peer_ = Peer::live;
    return {};
}

Result<void> PageWriter::publish_live(const Write& write) {
    generation_ |= 1;
    BASE_TRY(write_word(write, offsetof(wire::DevicePage, generation), generation_));
    if (dirty_end_ > dirty_first_) {
        const auto dirty = std::span(slots_).subspan(dirty_first_, dirty_end_ - dirty_first_);
        BASE_TRY(write(header_size + dirty_first_ * sizeof(wire::DeviceEntry), std::as_bytes(dirty)));
    }
    BASE_TRY(write_word(write, offsetof(wire::DevicePage, count), count()));
    const std::uint32_t settled = generation_ + 1;
    BASE_TRY(write_word(write, offsetof(wire::DevicePage, generation), settled));
    generation_ = settled;
    dirty_first_ = dirty_end_ = 0;
    return {};
}

}  // namespace noxs
