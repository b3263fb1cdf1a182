// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/refill.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "split-toolstack/prepare.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

constexpr int refill_nice = 10;

/// Signals are the main thread's: none may land on this one.
class BlockSignals {
 public:
    BlockSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    BlockSignals(const BlockSignals&) = delete;
    BlockSignals& operator=(const BlockSignals&) = delete;
    ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
    sigset_t before_{};
};

/// How empty a flavour is, 0 .. 1; the emptiest is filled first.
double fill_ratio(const Flavour& flavour) {
    return double(flavour.level()) / double(std::max(1U, flavour.target()));
}

timespec wait_time(Clock::time_point until) {
    const auto left = std::max(Clock::duration::zero(), until - Clock::now());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    return {.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(left - seconds).count()};
}

}  // namespace

Refill::Refill(Prepare prepare, unsigned capacity, base::Fd wakeup)
    : prepare_(std::move(prepare)),
      capacity_(capacity),
      wakeup_(std::move(wakeup)),
      last_launch_((Clock::now() - quiet).time_since_epoch().count()) {}

Result<std::unique_ptr<Refill>> Refill::start(Prepare prepare, unsigned capacity) {
    base::Fd wakeup(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wakeup) {
        return base::fail_errno(errno, "eventfd of the pool's refill");
    }
    std::unique_ptr<Refill> refill(new Refill(std::move(prepare), capacity, std::move(wakeup)));
    const BlockSignals while_it_starts;
    try {
        refill->thread_ = std::thread([self = refill.get()] { self->run(); });
    } catch (const std::system_error& e) {
        return base::fail_errno(e.code().value(), "thread of the pool's refill");
    }
    return refill;
}

Refill::~Refill() {
    stop_.store(true);
    ring();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Refill::ring() {
    const std::uint64_t one = 1;
    while (::write(wakeup_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void Refill::wake() {
    if (sleep_.exchange(Sleep::awake, std::memory_order_seq_cst) != Sleep::awake) {
        ring();
    }
}

void Refill::launched(Clock::time_point now, const Flavour* flavour) {
    last_launch_.store(now.time_since_epoch().count(), std::memory_order_seq_cst);
    if (flavour == nullptr || !flavour->lacking()) {
        return;
    }
    const Sleep asleep = sleep_.load(std::memory_order_seq_cst);
    if (asleep != Sleep::awake && flavour->low()) {
        wake();
    } else if (asleep == Sleep::endless && !wake_at_) {
        wake_at_ = now + quiet;
    }
}

void Refill::tick(Clock::time_point now) {
    if (wake_at_ && *wake_at_ <= now) {
        wake_at_.reset();
        wake();
    }
}

void Refill::add(std::shared_ptr<Flavour> flavour) {
    {
        const std::scoped_lock lock(mutex_);
        flavours_.push_back(std::move(flavour));
    }
    wake();
}

void Refill::configure(Flavour& flavour, const FlavourSettings& settings) {
    {
        const std::scoped_lock lock(mutex_);
        flavour.configure(settings);
    }
    wake();
}

void Refill::decay(Flavour& flavour, Clock::time_point now) {
    if (const auto due = flavour.demand().deadline(); due && *due <= now) {
        const std::scoped_lock lock(mutex_);
        flavour.decay(now);
    }
}

void Refill::remove(const std::shared_ptr<Flavour>& flavour) {
    const std::scoped_lock lock(mutex_);
    flavour->refill.retired = true;
    std::erase(flavours_, flavour);
}

void Refill::complete(const Flavour& flavour, FlavourStatus& status) const {
    const std::scoped_lock lock(mutex_);
    status.prepared = flavour.refill.prepared;
    status.last_error = flavour.refill.last_error;
}

void Refill::run() {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), refill_nice);
    pthread_setname_np(pthread_self(), "pool-refill");
    while (!stop_.load()) {
        const Step step = pick(Clock::now());
        if (step.flavour) {
            fill(step.flavour);
        } else {
            sleep();
        }
    }
}

Refill::Step Refill::pick(Clock::time_point now) const {
    const std::scoped_lock lock(mutex_);
    const Clock::time_point quiet_at = Clock::time_point(Clock::duration(last_launch_.load())) + quiet;
    Step step;
    unsigned used = domains_.load();
    for (const auto& flavour : flavours_) {
        used += flavour->level();
    }
    if (used >= capacity_) {
        return step;
    }
    for (const auto& flavour : flavours_) {
        if (!flavour->lacking()) {
            continue;
        }
        Clock::time_point due = flavour->refill.retry_at;
        if (!flavour->low()) {
            due = std::max(due, quiet_at);
        }
        if (due > now) {
            step.until = std::min(step.until.value_or(due), due);
        } else if (!step.flavour || fill_ratio(*flavour) < fill_ratio(*step.flavour)) {
            step.flavour = flavour;
        }
    }
    return step;
}

void Refill::fill(const std::shared_ptr<Flavour>& flavour) {
    auto shell = prepare_(flavour->shape());
    std::unique_lock lock(mutex_);
    if (!shell) {
        note_failure(*flavour, shell.error());
        return;
    }
    auto& state = flavour->refill;
    ++state.prepared;
    state.backoff = {};
    state.last_error.clear();
    // The target may have fallen meanwhile; nobody would be told of a shell too many.
    if (state.retired || !flavour->lacking() || !flavour->park(*shell)) {
        lock.unlock();
        discard(*std::move(shell));
    }
}

void Refill::note_failure(Flavour& flavour, const base::Error& error) {
    auto& state = flavour.refill;
    if (state.backoff.count() == 0) {
        base::log(base::Level::warn, words("pool: no shell of ", text_of(flavour.shape()),
                                           " could be prepared, will try again: ", error.message));
    }
    state.last_error = error.message;
    state.backoff = std::clamp<std::chrono::milliseconds>(state.backoff * 2, first_backoff, last_backoff);
    state.retry_at = Clock::now() + state.backoff;
}

void Refill::sleep() {
    // Say first how it sleeps, then look once more: whoever changes something after the look sees the saying.
    sleep_.store(Sleep::endless, std::memory_order_seq_cst);
    const Step step = pick(Clock::now());
    if (step.flavour || stop_.load()) {
        sleep_.store(Sleep::awake, std::memory_order_seq_cst);
        return;
    }
    if (step.until) {
        Sleep endless = Sleep::endless;
        sleep_.compare_exchange_strong(endless, Sleep::timed, std::memory_order_seq_cst);
    }
    pollfd wakeup{.fd = wakeup_.get(), .events = POLLIN, .revents = 0};
    const timespec time = wait_time(step.until.value_or(Clock::time_point{}));
    ::ppoll(&wakeup, 1, step.until ? &time : nullptr, nullptr);
    std::uint64_t count = 0;
    static_cast<void>(::read(wakeup_.get(), &count, sizeof count));
    sleep_.store(Sleep::awake, std::memory_order_seq_cst);
}

}  // namespace split
