// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/flavour.hpp"

#include <algorithm>
#include <utility>

#include "split-toolstack/prepare.hpp"
#include "split-toolstack/words.hpp"

namespace split {

Shape shape_of(const FlavourSettings& settings) {
    return {.memory = settings.memory, .vcpus = settings.vcpus, .vifs = settings.vifs, .vbds = settings.vbds};
}

std::string text_of(const Shape& shape) {
    if (shape.vifs + shape.vbds == 0) {
        return words(shape.memory, " and ", shape.vcpus, " vcpus");
    }
    return words(shape.memory, ", ", shape.vcpus, " vcpus, ", shape.vifs, " vifs and ", shape.vbds, " vbds");
}

Flavour::Flavour(const FlavourSettings& settings)
    : shape_(shape_of(settings)), settings_(settings), demand_(settings.floor, settings.ceiling) {
    publish_target();
}

Flavour::~Flavour() {
    while (auto shell = next()) {
        discard(std::move(shell));
    }
}

std::unique_ptr<Shell> Flavour::next() {
    std::unique_ptr<Shell> shell;
    if (!stash_.empty()) {
        shell = std::move(stash_.back());
        stash_.pop_back();
    } else if (const auto parked = ring_.pop()) {
        shell.reset(*parked);
    }
    if (shell) {
        level_.fetch_sub(1, std::memory_order_seq_cst);
    }
    return shell;
}

std::unique_ptr<Shell> Flavour::claim(Clock::time_point now) {
    auto shell = next();
    ++(shell ? hits_ : misses_);
    demand_.on_claim(now, shell ? Demand::Claim::hit : Demand::Claim::miss);
    publish_target();
    return shell;
}

std::unique_ptr<Shell> Flavour::take_back() {
    return next();
}

std::unique_ptr<Shell> Flavour::take_dead(base::DomId id) {
    while (const auto parked = ring_.pop()) {
        stash_.emplace_back(*parked);
    }
    const auto found = std::ranges::find_if(stash_, [id](const auto& shell) { return shell->domain->id() == id; });
    if (found == stash_.end()) {
        return nullptr;
    }
    auto shell = std::move(*found);
    stash_.erase(found);
    level_.fetch_sub(1, std::memory_order_seq_cst);
    return shell;
}

void Flavour::configure(const FlavourSettings& settings) {
    settings_ = settings;
    demand_.set_bounds(settings.floor, settings.ceiling);
    publish_target();
}

void Flavour::decay(Clock::time_point now) {
    demand_.decay(now);
    publish_target();
}

void Flavour::publish_target() {
    target_.store(demand_.target(), std::memory_order_seq_cst);
}

FlavourStatus Flavour::status() const {
    FlavourStatus status;
    status.settings = settings_;
    status.target = target();
    status.ready = level();
    status.hits = hits_;
    status.misses = misses_;
    return status;
}

bool Flavour::park(std::unique_ptr<Shell>& shell) {
    level_.fetch_add(1, std::memory_order_seq_cst);
    if (!ring_.push(shell.get())) {
        level_.fetch_sub(1, std::memory_order_seq_cst);
        return false;
    }
    static_cast<void>(shell.release());
    return true;
}

}  // namespace split
