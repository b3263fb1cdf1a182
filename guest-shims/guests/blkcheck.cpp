// SPDX-License-Identifier: Apache-2.0
// Writes a pattern that is made from sector numbers to its disk, reads it back, and measures. Command line:
//   mode=verify   writes, flushes, reads and compares (the default); mode=write and mode=read do one half each
//   mode=discard  discards all of it
//   mode=bench    op=randread|read|randwrite|write for seconds=5, without looking at the data
//   size=1GiB     of the disk, from its begin; bs=256KiB (bench: 4KiB), depth=8 (bench: 32), seed=1 makes another pattern
//   loop=1        verifies again and again, each time another pattern, until asked to power off
// Waits for its disk to be attached. Exit codes: 1 wrong data, 2 an error of the disk, 3 options that make no sense.
#include "guest-shims/frontends/console.hpp"
#include "guest-shims/frontends/system.hpp"
#include "guest-shims/frontends/vbd.hpp"
#include "guest-shims/guests/blkcheck_options.hpp"
#include "guest-shims/guests/blkcheck_pattern.hpp"
#include "guest-shims/guests/latencies.hpp"

#include <utility>

namespace guest {

namespace {

using noxs::wire::BlockOp;

constexpr std::int32_t exit_mismatch = 1;
constexpr std::int32_t exit_disk_error = 2;
constexpr std::int32_t exit_usage = 3;

/// Of the pool. What else is granted (rings, consoles) has to fit beside it into 4096 entries.
constexpr std::uint32_t most_pages = 3072;
/// Requests after which a guest that never has to wait looks for one to power off.
constexpr std::uint32_t look_after = 1024;
constexpr std::uint32_t discard_sectors = 1 << 17;  ///< of one request: 64 MiB

/// What of a disk is used, and how.
struct Plan {
    std::uint64_t sectors;        ///< from the begin
    std::uint32_t block_sectors;  ///< of one request
    std::uint32_t depth;
};

class Checker {
 public:
    Checker(System& system, Console& console, Vbd& vbd, Plan plan)
        : system_(system), console_(console), vbd_(vbd), plan_(plan) {}

    bool write(Pattern pattern) {
        return timed("written", [&] { return sweep(BlockOp::write, pattern); }) && flush();
    }
    bool read(Pattern pattern) {
        return timed("read", [&] { return sweep(BlockOp::read, pattern); });
    }
    bool bench(const Options& options);
    bool discard();
    std::int32_t exit_code() const { return exit_code_; }

 private:
    std::uint64_t blocks() const { return (plan_.sectors + plan_.block_sectors - 1) / plan_.block_sectors; }
    std::uint32_t block_pages() const { return plan_.block_sectors / Vbd::page_sectors; }
    std::uint64_t now() const { return system_.platform().monotonic().value; }
    std::byte* data_of(std::uint32_t slot) const { return vbd_.page(slot * block_pages()); }

    /// Blocks of the disk, of the last one perhaps less.
    Vbd::Request block(BlockOp op, std::uint64_t index, std::uint32_t slot) const {
        const std::uint64_t sector = index * plan_.block_sectors;
        const std::uint64_t left = plan_.sectors - sector;
        const auto sectors = static_cast<std::uint32_t>(left < plan_.block_sectors ? left : plan_.block_sectors);
        return {op, sector, sectors, slot * block_pages(), slot};
    }

    /// Keeps `depth` requests on their way. `next(slot)` makes one, or nothing when there are no more; `over(slot)` looks
    /// at it afterwards and says whether to go on.
    template <class Next, class Over>
    bool run(Next next, Over over);
    bool sweep(BlockOp op, Pattern pattern);
    bool flush();
    bool matches(const Vbd::Request& request, Pattern pattern);
    bool failed(const Vbd::Request& request);
    template <class Work>
    bool timed(std::string_view what, Work work);

    System& system_;
    Console& console_;
    Vbd& vbd_;
    Plan plan_;
    Vbd::Request requests_[Vbd::max_requests]{};
    std::int32_t exit_code_{0};
};

template <class Next, class Over>
bool Checker::run(Next next, Over over) {
    std::uint32_t idle = plan_.depth == 32 ? ~0U : (1U << plan_.depth) - 1;  // slots, as bits
    const std::uint32_t all = idle;
    bool more = true;
    bool good = true;
    std::uint32_t since_look = 0;
    while ((more && good) || idle != all) {
        vbd_.follow();
        while (more && good && idle != 0) {
            const auto slot = static_cast<std::uint32_t>(__builtin_ctz(idle));
            more = next(slot);
            if (!more) {
                break;
            }
            if (!vbd_.start(requests_[slot])) {
                good = failed(requests_[slot]);
                break;
            }
            idle &= idle - 1;
        }
        vbd_.flush();
        const std::uint32_t before = idle;
        while (const auto done = vbd_.take()) {
            idle |= 1U << done->tag;
            if (good) {
                good = done->status == noxs::wire::block_okay ? over(done->tag) : failed(requests_[done->tag]);
            }
            ++since_look;
        }
        if (idle == before && idle != all && vbd_.arm()) {  // what came back goes out again before the guest sleeps
            system_.wait(vbd_.patience());
        } else if (since_look >= look_after) {
            since_look = 0;
            system_.wait(Nanoseconds{0});
        }
    }
    return good;
}

bool Checker::failed(const Vbd::Request& request) {
    console_.print("blkcheck: error of the disk at sector {}\n", request.sector);
    exit_code_ = exit_disk_error;
    return false;
}

bool Checker::matches(const Vbd::Request& request, Pattern pattern) {
    const auto wrong = pattern.find_wrong(data_of(request.tag), request.sector, request.sectors);
    if (wrong) {
        console_.print("blkcheck: wrong data in sector {}\n", *wrong);
        exit_code_ = exit_mismatch;
    }
    return !wrong;
}

bool Checker::sweep(BlockOp op, Pattern pattern) {
    std::uint64_t index = 0;
    const auto next = [&](std::uint32_t slot) {
        if (index == blocks()) {
            return false;
        }
        requests_[slot] = block(op, index++, slot);
        if (op == BlockOp::write) {
            pattern.fill(data_of(slot), requests_[slot].sector, requests_[slot].sectors);
        }
        return true;
    };
    return run(next, [&](std::uint32_t slot) { return op == BlockOp::write || matches(requests_[slot], pattern); });
}

bool Checker::flush() {
    bool asked = false;
    const auto once = [&](std::uint32_t slot) {
        requests_[slot] = {BlockOp::flush, 0, 0, 0, slot};
        return !std::exchange(asked, true);
    };
    return run(once, [](std::uint32_t) { return true; });
}

bool Checker::discard() {
    std::uint64_t sector = 0;
    const auto next = [&](std::uint32_t slot) {
        const std::uint64_t left = plan_.sectors - sector;
        const auto sectors = static_cast<std::uint32_t>(left < discard_sectors ? left : discard_sectors);
        requests_[slot] = {BlockOp::discard, sector, sectors, 0, slot};
        sector += sectors;
        return sectors != 0;
    };
    return run(next, [](std::uint32_t) { return true; });
}

template <class Work>
bool Checker::timed(std::string_view what, Work work) {
    const std::uint64_t begin = now();
    if (!work()) {
        return false;
    }
    const std::uint64_t us = (now() - begin) / 1000 + 1;
    const std::uint64_t bytes = plan_.sectors * noxs::wire::block_sector;
    console_.print("blkcheck: {} MiB {} in {} ms: {} MB/s\n", bytes >> 20, what, us / 1000, bytes / us);
    return true;
}

bool Checker::bench(const Options& options) {
    const std::uint64_t begin = now();
    const std::uint64_t end = begin + options.seconds * ns_per_second;
    const BlockOp op = options.writes ? BlockOp::write : BlockOp::read;
    std::uint64_t begun[Vbd::max_requests]{};
    std::uint64_t count = 0;
    std::uint64_t index = 0;
    Random random(options.seed);
    Latencies latencies;
    const auto next = [&](std::uint32_t slot) {
        const std::uint64_t whole = plan_.sectors / plan_.block_sectors;
        requests_[slot] = block(op, options.random ? random.below(whole) : index++ % whole, slot);
        begun[slot] = now();
        return begun[slot] < end;
    };
    const auto over = [&](std::uint32_t slot) {
        latencies.add((now() - begun[slot]) / 1000);
        ++count;
        return true;
    };
    if (!run(next, over)) {
        return false;
    }
    const std::uint64_t us = (now() - begin) / 1000 + 1;
    const std::uint64_t bytes = count * plan_.block_sectors * noxs::wire::block_sector;
    console_.print("blkcheck: {} bs {} depth {}: {} IOPS, {} MB/s, p50 {} us, p99 {} us, max {} us\n", options.op,
                   plan_.block_sectors * noxs::wire::block_sector, plan_.depth, count * 1'000'000 / us, bytes / us,
                   latencies.percentile(50), latencies.percentile(99), latencies.max());
    return true;
}

std::int32_t check(Checker& checker, const Options& options) {
    Pattern pattern{options.seed};
    switch (options.mode) {
        case Mode::write: static_cast<void>(checker.write(pattern)); break;
        case Mode::read: static_cast<void>(checker.read(pattern)); break;
        case Mode::discard: static_cast<void>(checker.discard()); break;
        case Mode::bench: static_cast<void>(checker.bench(options)); break;
        case Mode::verify:
            while (checker.write(pattern) && checker.read(pattern) && options.loop) {
                ++pattern.seed;
            }
            break;
    }
    return checker.exit_code();
}

/// Sectors of a block are whole pages, and no more of them than a request can have.
Plan plan_for(const Vbd& vbd, const Options& options) {
    std::uint32_t pages = options.block_size / noxs::wire::page_size;
    pages = pages < vbd.request_pages() ? pages : vbd.request_pages();
    pages = pages < vbd.pages() ? pages : vbd.pages();
    const std::uint32_t depth = vbd.pages() / pages;
    const std::uint64_t asked = options.size / noxs::wire::block_sector;
    const std::uint64_t sectors = asked != 0 && asked < vbd.sectors() ? asked : vbd.sectors();
    return {sectors, pages * Vbd::page_sectors, depth < options.depth ? depth : options.depth};
}

}  // namespace

std::int32_t run(System& system) {
    Console console(system);
    const auto options = parse_options(system.cmdline());
    if (!options) {
        console.print("blkcheck: options that make no sense: {}\n", system.cmdline());
        return exit_usage;
    }
    const std::uint32_t block_pages = options->block_size / noxs::wire::page_size;
    const std::uint32_t pages = block_pages * options->depth;
    Vbd vbd(system, pages < most_pages ? pages : most_pages);
    system.ready();
    while (!vbd.connected()) {
        system.wait();
        vbd.follow();
    }
    const Plan plan = plan_for(vbd, *options);
    if (plan.sectors == 0 || (options->mode == Mode::bench && plan.block_sectors > plan.sectors)) {
        console.print("blkcheck: a disk of {} sectors is too small\n", vbd.sectors());
        return exit_usage;
    }
    Checker checker(system, console, vbd, plan);
    return check(checker, *options);
}

}  // namespace guest
