// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends/vbd.hpp"

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "noxs/back_ring.hpp"
#include "noxs/block/block_data.hpp"
#include "noxs/block/block_log.hpp"
#include "noxs/block/block_notes.hpp"
#include "noxs/block/block_request.hpp"
#include "noxs/block/slow_jobs.hpp"
#include "noxs/shared.hpp"

namespace noxs {

namespace {

using wire::BlockOp;

struct NotedPage {
    wire::VbdControl control;
    wire::VbdNotes notes;
};
static_assert(offsetof(NotedPage, notes) == wire::vbd_notes_offset);

/// One request from its reading off the ring to its response.
struct Slot : BlockJob {
    enum class Stage : std::uint8_t {
        free,
        in_flight,  ///< the kernel has it, or SlowJobs
        done,       ///< has no response yet
    };
    Stage stage{Stage::free};
    unsigned note{0};
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

/// Responses come as requests are done, in any order: a slow one holds up no other. A daemon that takes over after a crash
/// finds every request that has no response in the notes or on the ring, and does it again. Reads and writes can be done
/// twice unnoticed, for the guest has not heard of the first time.
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

    Slot& slot_of(unsigned note);
    bool has_memory();
    std::uint64_t take_request();
    std::uint64_t begin(Slot& slot, const wire::BlockEntry& entry);
    bool start(Slot& slot);
    void set_done(Slot& slot);
    void finish(Slot& slot, int error);
    bool answer();
    void count(const BlockWork& work);

    VbdSettings settings_;
    DiskShape shape_;
    BlockIo* io_;
    SlowJobs slow_;
    BackRing<wire::BlockRing> ring_;
    BlockNotes notes_;
    std::array<std::unique_ptr<Slot>, ring_entries> slots_;  // by note
    std::uint32_t done_{0};                                  // notes whose requests wait for their response
    std::uint32_t inherited_{0};                             // notes of a predecessor that were not looked at yet
    std::uint32_t in_flight_{0};
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
    notes_ = BlockNotes(page<NotedPage>().notes);
    slots_ = {};  // it is quiet
    done_ = 0;
    inherited_ = 0;
    short_of_memory_ = false;
    if (load_acquire(control.header.backend_state) != wire::State::connected) {
        notes_.begin(ring_);
        return {};
    }
    const auto inherited = notes_.take_over(ring_);
    if (!inherited) {
        ring_ = {};
        return base::fail(base::Code::protocol_error, "its ring does not fit the notes of its requests in flight");
    }
    inherited_ = *inherited;
    if (ring_.publish()) {
        ring();
    }
    return {};
}

/// Slots whose job is still on its way stay until it is done.
void Vbd::disconnect() {
    ring_ = {};
    notes_ = {};  // they stay in the page: for a successor
    slow_.cancel();
    for (auto& slot : slots_) {
        if (slot && slot->stage != Slot::Stage::in_flight) {
            slot.reset();
        }
    }
}

Slot& Vbd::slot_of(unsigned note) {
    auto& slot = slots_[note];
    if (!slot) {
        slot = std::make_unique<Slot>();
        slot->note = note;
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
    std::uint32_t left = *pending + static_cast<std::uint32_t>(std::popcount(inherited_));
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

/// There is one, and a note for it: BackRing::pending lets no more be unanswered than the ring has entries. Returns
/// its bytes.
std::uint64_t Vbd::take_request() {
    if (inherited_ != 0) {
        const auto note = static_cast<unsigned>(std::countr_zero(inherited_));
        inherited_ &= inherited_ - 1;
        return begin(slot_of(note), notes_.read(note));
    }
    wire::BlockEntry entry;
    const unsigned note = notes_.take(ring_, entry);
    return begin(slot_of(note), entry);
}

std::uint64_t Vbd::begin(Slot& slot, const wire::BlockEntry& entry) {
    check_request(entry, shape_, lane(), slot.work);
    if (slot.work.status == wire::block_okay && start(slot)) {
        return slot.work.moves_data() ? slot.size : 0;
    }
    slot.work.status = slot.work.status == wire::block_okay ? wire::block_error : slot.work.status;
    ++counts_.errors;
    set_done(slot);
    return 0;
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

void Vbd::set_done(Slot& slot) {
    slot.stage = Slot::Stage::done;
    done_ |= 1U << slot.note;
}

void Vbd::finish(Slot& slot, int error) {
    set_done(slot);
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
    if (done_ == 0) {
        return false;
    }
    for (std::uint32_t left = done_; left != 0; left &= left - 1) {
        Slot& slot = slot_of(static_cast<unsigned>(std::countr_zero(left)));
        wire::BlockResponse response{};
        response.id = slot.work.id;
        response.op = slot.work.op;
        response.status = slot.work.status;
        BlockNotes::answer(ring_, slot.note, response);
        slot.stage = Slot::Stage::free;
    }
    notes_.drop(std::exchange(done_, 0), ring_);
    if (ring_.publish()) {
        ring();
    }
    return true;
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
