// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/vbd.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "noxs/back_ring.hpp"
#include "noxs/block/block_data.hpp"
#include "noxs/block/block_log.hpp"
#include "noxs/block/block_request.hpp"
#include "noxs/block/slow_jobs.hpp"
#include "noxs/shared.hpp"

namespace noxs {

namespace {

using wire::BlockOp;

/// One request from its reading off the ring to its response.
struct Slot : BlockJob {
    enum class Stage : std::uint8_t {
        free,
        in_flight,  ///< the kernel has it, or SlowJobs
        done,       ///< its response waits for those of requests before it
    };
    Stage stage{Stage::free};
    BlockWork work;
    BlockData data;
};

struct VbdCounters {
    std::uint64_t reads{0};
    std::uint64_t writes{0};
    std::uint64_t read_bytes{0};
    std::uint64_t written_bytes{0};
    std::uint64_t flushes{0};
    std::uint64_t discards{0};
    std::uint64_t errors{0};
};

bool has_flag(const VbdSettings& settings, wire::VbdFlag flag) {
    return (settings.flags & static_cast<std::uint32_t>(flag)) != 0;
}

/// Responses are published in the order of the requests. The response of the n-th request lies where the n-th request
/// lay, so none may be written before that request is done: a daemon that takes over after a crash finds every request
/// that has no response in the ring, whole, and does it again. Reads and writes can be done twice unnoticed, for the
/// guest has not heard of the first time. What had its response but was not published is known by a mark.
class Vbd final : public DataDevice, private BlockOwner {
 public:
    Vbd(DeviceParams params, VbdSettings settings, BlockIo& io)
        : DataDevice(std::move(params)),
          settings_(std::move(settings)),
          shape_{settings_.sectors, settings_.sector_size, has_flag(settings_, wire::VbdFlag::read_only),
                 has_flag(settings_, wire::VbdFlag::discard)},
          io_(&io),
          slow_(io) {}

    bool quiet() const override { return in_flight_ == 0; }

 private:
    static constexpr std::uint32_t ring_entries = wire::block_ring_entries;
    /// Of one turn: as much as one guest may make the others wait for.
    static constexpr std::uint64_t bytes_a_turn = 4 << 20;

    Result<void> connect() override;
    void disconnect() override;
    Turn serve(Clock::time_point now) override;
    bool arm_rings() override;
    Counters counters() const override;
    void on_done(BlockJob& job) override;

    Slot& slot_at(std::uint32_t number);
    bool has_memory();
    std::uint64_t take_request();
    bool was_answered(const wire::BlockEntry& entry);
    bool start(Slot& slot);
    void finish(Slot& slot, int error);
    bool answer();
    void count(const BlockWork& work);

    VbdSettings settings_;
    DiskShape shape_;
    BlockIo* io_;
    SlowJobs slow_;
    BackRing<wire::BlockRing> ring_;
    std::array<std::unique_ptr<Slot>, ring_entries> slots_;  // by request number modulo their count
    std::uint32_t taken_{0};                                 // request numbers: only their differences mean something
    std::uint32_t answered_{0};
    std::uint32_t in_flight_{0};
    std::uint32_t inherited_{0};  // requests on the ring at connect that were not looked at yet
    bool short_of_memory_{false};
    VbdCounters counts_;
    BlockLog log_;
    Clock::time_point now_{};
};

Result<void> Vbd::connect() {
    const auto& control = page<wire::VbdControl>();
    if (const auto order = load_acquire(control.ring_order); order != 0) {
        return base::fail(base::Code::protocol_error, "ring of order " + std::to_string(order) + ", 0 is offered");
    }
    const base::GrantRef ref(load_acquire(control.ring_ref[0]));
    BASE_ASSIGN(base::Mapping mapped, lane().map_grant(ref, base::Access::read_write));
    ring_ = BackRing<wire::BlockRing>(std::move(mapped));
    slots_ = {};  // it is quiet
    taken_ = 0;
    answered_ = 0;
    inherited_ = ring_.pending().value_or(0);
    return {};
}

/// Slots whose job is still on its way stay until it is done.
void Vbd::disconnect() {
    ring_ = {};
    slow_.cancel();
    for (auto& slot : slots_) {
        if (slot && slot->stage != Slot::Stage::in_flight) {
            slot.reset();
        }
    }
}

Slot& Vbd::slot_at(std::uint32_t number) {
    auto& slot = slots_[number % ring_entries];
    if (!slot) {
        slot = std::make_unique<Slot>();
    }
    return *slot;
}

Turn Vbd::serve(Clock::time_point now) {
    now_ = now;
    bool moved = answer();
    const auto pending = ring_.pending();
    if (!pending) {
        stop("the request index of its ring runs away");
        return Turn::idle();
    }
    std::uint64_t bytes = 0;
    std::uint32_t left = *pending;
    for (; left > 0 && bytes < bytes_a_turn && has_memory(); --left) {
        bytes += take_request();
        moved = true;
    }
    answer();
    return left > 0 && !short_of_memory_ ? Turn::more() : Turn::idle(moved);
}

/// Where data needs buffers, a disk that has none left waits for its own to come back: `on_done` goes on.
bool Vbd::has_memory() {
    short_of_memory_ = !lane().in_place() && in_flight_ > 0 && !io_->bounce().has_room();
    return !short_of_memory_;
}

/// There is one, and a slot for it: BackRing::pending lets no more be unanswered than the ring has entries. Returns
/// its bytes.
std::uint64_t Vbd::take_request() {
    Slot& slot = slot_at(taken_++);
    const auto entry = ring_.peek<wire::BlockEntry>();
    ring_.skip();
    if (was_answered(entry)) {
        slot.work.id = entry.response.id;
        slot.work.op = entry.response.op;
        slot.work.status = entry.response.status;
        slot.stage = Slot::Stage::done;
        return 0;
    }
    check_request(entry, shape_, lane(), slot.work);
    if (slot.work.status != wire::block_okay) {
        ++counts_.errors;
        slot.stage = Slot::Stage::done;
        return 0;
    }
    if (!start(slot)) {
        slot.work.status = wire::block_error;
        ++counts_.errors;
        slot.stage = Slot::Stage::done;
        return 0;
    }
    return slot.work.moves_data() ? slot.size : 0;
}

/// A response of our predecessor, who died before he published it.
bool Vbd::was_answered(const wire::BlockEntry& entry) {
    if (inherited_ == 0) {
        return false;
    }
    --inherited_;
    return entry.response.mark == wire::block_answered;
}

/// Hands a checked request to the kernel; false: its pages are not the guest's to name, or the kernel takes no more.
bool Vbd::start(Slot& slot) {
    BlockJob& job = slot;
    job.owner = this;
    job.fd = settings_.disk.get();
    job.offset = slot.work.sector * wire::block_sector;
    job.size = slot.work.sectors * wire::block_sector;
    job.pieces.clear();
    switch (slot.work.op) {
        case BlockOp::read: job.kind = BlockJob::Kind::read; break;
        case BlockOp::write: job.kind = BlockJob::Kind::write; break;
        case BlockOp::discard: job.kind = BlockJob::Kind::discard; break;
        default: job.kind = BlockJob::Kind::flush; break;
    }
    if (slot.work.moves_data() && !slot.data.open(slot.work, lane(), io_->bounce(), job.pieces)) {
        return false;
    }
    slot.stage = Slot::Stage::in_flight;
    ++in_flight_;
    if (!slot.work.moves_data()) {
        slow_.start(job);
    } else if (!io_->start(job)) {
        --in_flight_;
        slot.data.close(io_->bounce());
        return false;
    }
    return true;
}

void Vbd::on_done(BlockJob& job) {
    --in_flight_;
    finish(static_cast<Slot&>(job), job.error);
    wake();
}

void Vbd::finish(Slot& slot, int error) {
    slot.stage = Slot::Stage::done;
    const bool wanted = ring_ && error == 0;
    const bool arrived = !wanted || slot.work.op != BlockOp::read || slot.data.deliver(slot.work, lane());
    slot.data.close(io_->bounce());
    if (error == 0 && arrived) {
        count(slot.work);
        return;
    }
    if (error == ECANCELED && !ring_) {
        return;  // nobody waits for it
    }
    ++counts_.errors;
    const bool no_discard = slot.work.op == BlockOp::discard && error == EOPNOTSUPP;
    slot.work.status = no_discard ? wire::block_unsupported : wire::block_error;
    if (error != 0 && !no_discard) {
        log_.failed(name(), settings_.path, slot.work, error, now_);
    }
}

void Vbd::count(const BlockWork& work) {
    const std::uint64_t bytes = work.sectors * wire::block_sector;
    switch (work.op) {
        case BlockOp::read:
            ++counts_.reads;
            counts_.read_bytes += bytes;
            return;
        case BlockOp::write:
            ++counts_.writes;
            counts_.written_bytes += bytes;
            return;
        case BlockOp::discard: ++counts_.discards; return;
        default: ++counts_.flushes; return;
    }
}

bool Vbd::answer() {
    bool any = false;
    for (; answered_ != taken_; ++answered_) {
        Slot& slot = slot_at(answered_);
        if (slot.stage != Slot::Stage::done) {
            break;
        }
        wire::BlockResponse response{};
        response.id = slot.work.id;
        response.op = slot.work.op;
        response.status = slot.work.status;
        response.mark = wire::block_answered;
        ring_.answer(response);
        slot.stage = Slot::Stage::free;
        any = true;
    }
    if (any && ring_.publish()) {
        ring();
    }
    return any;
}

bool Vbd::arm_rings() {
    if (short_of_memory_) {
        return true;
    }
    ring_.want_ring();
    const auto pending = ring_.pending();
    return pending && *pending == 0;
}

Counters Vbd::counters() const {
    return {{"reads", counts_.reads},           {"writes", counts_.writes},
            {"read_bytes", counts_.read_bytes}, {"written_bytes", counts_.written_bytes},
            {"flushes", counts_.flushes},       {"discards", counts_.discards},
            {"errors", counts_.errors},         {"in_flight", in_flight_}};
}

}  // namespace

std::unique_ptr<DataDevice> make_vbd(DeviceParams params, VbdSettings settings, BlockIo& io) {
    params.features = static_cast<std::uint64_t>(wire::VbdFeature::indirect);
    return std::make_unique<Vbd>(std::move(params), std::move(settings), io);
}

}  // namespace noxs
