// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/pool.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "split-toolstack/prepare.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

/// Shells given back per tick: destroying one may take a round trip, and launches wait for the main thread.
constexpr unsigned give_back_per_tick = 4;
constexpr auto give_back_interval = std::chrono::milliseconds(10);

}  // namespace

Result<Pool> Pool::open(Refill::Prepare prepare, unsigned capacity, const std::vector<FlavourSettings>& flavours) {
    const unsigned bound = capacity == 0 ? std::numeric_limits<unsigned>::max() : capacity;
    BASE_ASSIGN(auto refill, Refill::start(std::move(prepare), bound));
    Pool pool(std::move(refill), bound);
    for (const auto& flavour : flavours) {
        BASE_TRY(pool.set(flavour));
    }
    return pool;
}

Pool::~Pool() {
    refill_.reset();
    flavours_.clear();
}

Result<void> Pool::check(const FlavourSettings& settings) const {
    if (settings.memory.value == 0 || settings.memory.value % base::page_size != 0 || settings.vcpus == 0) {
        return base::fail(base::Code::invalid_argument,
                          words("pool flavour: memory ", settings.memory, " and ", settings.vcpus,
                                " vcpus, expected whole pages and at least 1"));
    }
    if (settings.vifs > max_data_devices || settings.vbds > max_data_devices - settings.vifs) {
        return base::fail(base::Code::invalid_argument,
                          words("pool flavour: ", settings.vifs, " vifs and ", settings.vbds,
                                " vbds, expected at most ", max_data_devices, " together"));
    }
    if (settings.floor > settings.ceiling || settings.ceiling > max_shells) {
        return base::fail(base::Code::invalid_argument,
                          words("pool flavour: floor ", settings.floor, ", ceiling ", settings.ceiling,
                                ", expected floor <= ceiling <= ", max_shells));
    }
    return {};
}

Result<void> Pool::set(const FlavourSettings& settings) {
    BASE_TRY(check(settings));
    const auto known = find(shape_of(settings));
    if (settings.ceiling == 0) {
        if (!known) {
            return base::fail(base::Code::not_found,
                              words("pool flavour of ", text_of(shape_of(settings)), ": there is none"));
        }
        remove(known);
    } else if (known) {
        refill_->configure(*known, settings);
    } else {
        flavours_.push_back(std::make_shared<Flavour>(settings));
        refill_->add(flavours_.back());
    }
    return {};
}

void Pool::remove(const std::shared_ptr<Flavour>& flavour) {
    refill_->remove(flavour);
    while (auto shell = flavour->take_back()) {
        discard(std::move(shell));
    }
    std::erase(flavours_, flavour);
}

std::shared_ptr<Flavour> Pool::find(const Shape& shape) const {
    const auto found =
        std::ranges::find_if(flavours_, [&shape](const auto& flavour) { return flavour->shape() == shape; });
    return found == flavours_.end() ? nullptr : *found;
}

Pool::Claim Pool::claim(const Shape& shape, Clock::time_point now) {
    for (const auto& flavour : flavours_) {
        if (flavour->shape() != shape) {
            continue;
        }
        auto shell = flavour->claim(now);
        while (shell && !dead_.empty() && dead_.erase(shell->domain->id().value) != 0) {
            discard(std::move(shell));
            shell = flavour->take_back();
        }
        return {std::move(shell), flavour.get()};
    }
    return {};
}

bool Pool::sacrifice() {
    for (const auto& flavour : flavours_) {
        if (auto shell = flavour->take_back()) {
            dead_.erase(shell->domain->id().value);
            discard(std::move(shell));
            return true;
        }
    }
    return false;
}

void Pool::shell_died(base::DomId id) {
    for (const auto& flavour : flavours_) {
        if (auto shell = flavour->take_dead(id)) {
            discard(std::move(shell));
            refill_->wake();
            return;
        }
    }
    dead_.insert(id.value);
}

void Pool::set_domains(unsigned domains) {
    refill_->set_domains(domains);
    unsigned used = domains;
    for (const auto& flavour : flavours_) {
        used += flavour->level();
    }
    if (used + 1 >= capacity_) {
        refill_->wake();
    }
}

std::optional<Clock::time_point> Pool::deadline() const {
    std::optional<Clock::time_point> next = refill_->deadline();
    for (const auto& flavour : flavours_) {
        auto due = flavour->demand().deadline();
        if (flavour->overfull()) {
            due = give_back_at_;
        }
        if (due) {
            next = std::min(next.value_or(*due), *due);
        }
    }
    return next;
}

void Pool::tick(Clock::time_point now) {
    refill_->tick(now);
    for (const auto& flavour : flavours_) {
        refill_->decay(*flavour, now);
    }
    if (now < give_back_at_) {
        return;
    }
    give_back_at_ = now + give_back_interval;
    unsigned left = give_back_per_tick;
    for (const auto& flavour : flavours_) {
        while (left != 0 && flavour->overfull()) {
            --left;
            if (auto shell = flavour->take_back()) {
                dead_.erase(shell->domain->id().value);
                discard(std::move(shell));
            }
        }
    }
}

std::vector<FlavourStatus> Pool::status() const {
    std::vector<FlavourStatus> all;
    for (const auto& flavour : flavours_) {
        auto status = flavour->status();
        refill_->complete(*flavour, status);
        all.push_back(std::move(status));
    }
    return all;
}

}  // namespace split
