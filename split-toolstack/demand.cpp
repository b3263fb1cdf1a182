// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/demand.hpp"

#include <algorithm>

namespace split {

Demand::Demand(unsigned floor, unsigned ceiling) : floor_(floor), ceiling_(ceiling), target_(floor) {}

void Demand::on_claim(Clock::time_point now, Claim claim) {
    if (now - window_begin_ >= window) {
        window_begin_ = now;
        window_claims_ = 0;
    }
    ++window_claims_;
    if (claim == Claim::miss) {
        raise(std::max(1U, target_ * 2), now);
    } else if (window_claims_ > target_ / 2) {
        raise(std::max(target_, window_claims_), now);
    }
}

void Demand::raise(unsigned target, Clock::time_point now) {
    target_ = std::clamp(target, floor_, ceiling_);
    if (target_ > floor_) {
        decay_at_ = now + decay_after;
    }
}

void Demand::decay(Clock::time_point now) {
    if (!decay_at_ || now < *decay_at_) {
        return;
    }
    target_ = std::max(floor_, target_ / 2);
    decay_at_.reset();
    if (target_ > floor_) {
        decay_at_ = now + decay_after;
    }
}

void Demand::set_bounds(unsigned floor, unsigned ceiling) {
    floor_ = floor;
    ceiling_ = ceiling;
    target_ = std::clamp(target_, floor_, ceiling_);
    if (target_ == floor_) {
        decay_at_.reset();
    }
}

}  // namespace split
