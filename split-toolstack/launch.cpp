// SPDX-License-Identifier: Apache-2.0
// Execute: the phases between a request and a running guest. Hot.
#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/log.hpp"
#include "base/scope_guard.hpp"
#include "split-toolstack/metrics.hpp"
#include "split-toolstack/names.hpp"
#include "split-toolstack/prepare.hpp"
#include "split-toolstack/stopwatch.hpp"
#include "split-toolstack/toolstack_impl.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

using base::Code;
using base::fail;

/// Shells given back at most to make room for a domain of another shape.
constexpr unsigned max_sacrifices = 4;

std::int64_t unix_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Result<void> check_text(std::string_view what, std::string_view text) {
    if (!is_clean_text(text)) {
        return fail(Code::invalid_config, words(what, ": expected UTF-8 text without NUL"));
    }
    return {};
}

/// Whether this is what a driver says of a domain that has ended.
bool says_gone(const base::Error& error) {
    return error.code == Code::guest_died || error.code == Code::bad_state || error.sys_errno == ESRCH;
}

std::uint64_t ns_between(Clock::time_point begin, Clock::time_point end) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(1, std::chrono::nanoseconds(end - begin).count()));
}

}  // namespace

unsigned ToolstackImpl::max_domains() const {
    const auto bound = [](unsigned limit) { return limit == 0 ? std::numeric_limits<unsigned>::max() : limit; };
    return std::min(bound(settings_.max_domains), bound(capabilities().max_domains));
}

Result<void> ToolstackImpl::admit(const VmConfig& config) const {
    if (lost_) {
        return fail(Code::unavailable, words("the hypervisor is gone: ", lost_->message));
    }
    if (!config.name.empty()) {
        BASE_TRY(check_name(config.name));
        if (domains_.find(config.name) != nullptr) {
            return fail(Code::name_in_use, words("a domain named '", config.name, "' exists"));
        }
    }
    BASE_TRY(check_text("kernel", config.kernel));
    BASE_TRY(check_text("ramdisk", config.ramdisk));
    BASE_TRY(check_text("cmdline", config.cmdline));
    BASE_TRY(admit_shape(config));
    if (domains_.size() >= max_domains()) {
        const bool ours = max_domains() == settings_.max_domains;
        return fail(Code::limit_reached,
                    words(domains_.size(), " domains exist, no more are allowed by ",
                          ours ? words("max_domains = ", settings_.max_domains) : capabilities().max_domains_limit));
    }
    return {};
}

Result<void> ToolstackImpl::admit_shape(const VmConfig& config) const {
    const auto& host = capabilities();
    if (config.memory.value % base::page_size != 0 || config.memory < host.min_memory) {
        return fail(Code::invalid_config,
                    words("memory ", config.memory, ": expected whole pages of 4 KiB, at least ", host.min_memory));
    }
    if (host.max_memory.value != 0 && config.memory > host.max_memory) {
        return fail(Code::limit_reached,
                    words("memory ", config.memory, ": this host allows a domain at most ", host.max_memory));
    }
    if (config.vcpus == 0 || config.vcpus > host.max_vcpus) {
        return fail(config.vcpus == 0 ? Code::invalid_config : Code::unsupported,
                    words(config.vcpus, " vcpus: expected 1 to ", host.max_vcpus, " with the driver ", host.name));
    }
    return {};
}

Result<ToolstackImpl::Images> ToolstackImpl::find_images(const VmConfig& config) {
    Images images;
    BASE_ASSIGN(images.kernel, images_.image(config.kernel));
    images.image = images.kernel->image;
    BASE_ASSIGN(images.image.kind, choose_kind(images.kernel->offer, config.pvh, config.kernel));
    if (images.image.kind != hypervisor::GuestKind::native && !capabilities().foreign_kernels) {
        return fail(Code::unsupported, words("kernel '", config.kernel, "' is ", describe(images.kernel->offer),
                                             ", which only Xen boots; this is the driver ", capabilities().name));
    }
    BASE_TRY(check_devices(config, images.image.kind));
    if (!config.ramdisk.empty()) {
        BASE_ASSIGN(images.ramdisk, images_.ramdisk(config.ramdisk));
    }
    BASE_TRY(check_fit(*images.kernel, images.ramdisk ? images.ramdisk->size() : 0, config.memory, config.kernel));
    return images;
}

Result<void> ToolstackImpl::check(const VmConfig& config) {
    BASE_TRY(admit(config));
    BASE_TRY(find_images(config));
    BASE_TRY(plan_devices(config, nullptr));
    return {};
}

Result<std::unique_ptr<Shell>> ToolstackImpl::prepare_once(const Shape& shape, const VmConfig& config) {
    return shape.kind == hypervisor::GuestKind::native ? prepare_shell(*hypervisor_, shape, site())
                                                       : prepare_foreign(*hypervisor_, shape, config);
}

Result<std::unique_ptr<Shell>> ToolstackImpl::prepare_now(const Shape& shape, const VmConfig& config) {
    auto shell = prepare_once(shape, config);
    for (unsigned i = 0; !shell && i < max_sacrifices; ++i) {
        const Code code = shell.error().code;
        if ((code != Code::limit_reached && code != Code::no_memory) || !pool_->sacrifice()) {
            break;
        }
        shell = prepare_once(shape, config);
    }
    return shell;
}

std::unique_ptr<LiveDomain> ToolstackImpl::make_live(const Launch& order, const Images& images, Shell& shell) const {
    auto live = std::make_unique<LiveDomain>();
    live->domain = std::move(shell.domain);
    live->devices = std::move(shell.devices);
    live->begin = order.begin;
    live->restarts = order.restarts;
    Record& record = live->record;
    record.id = live->domain->id();
    record.kind = images.image.kind;
    record.config = order.config;
    if (record.config.name.empty()) {
        record.config.name = domains_.free_name({}, record.id);
    }
    record.created_unix_ms = unix_ms();
    record.wanted = order.wanted;
    record.timing = shell.timing;
    record.timing[static_cast<std::size_t>(Phase::parse)] = order.parse_ns;
    return live;
}

Result<void> ToolstackImpl::boot(LiveDomain& live, const Images& images, hypervisor::Caller caller) {
    Stopwatch watch(live.record.timing);
    const VmConfig& config = live.record.config;
    const std::span<const std::byte> ramdisk =
        images.ramdisk ? std::span<const std::byte>(*images.ramdisk) : std::span<const std::byte>();
    BASE_TRY(live.domain->load(images.image, {.cmdline = config.cmdline, .ramdisk = ramdisk}));
    watch.lap(Phase::image);
    return set_going(live, caller);
}

Result<void> ToolstackImpl::set_going(LiveDomain& live, hypervisor::Caller caller) {
    Stopwatch watch(live.record.timing);
    const VmConfig& config = live.record.config;
    if (config.cpumap != 0) {
        BASE_TRY(live.domain->set_affinity(config.cpumap));
        watch.lap(Phase::devices);
    }
    if (live.record.wanted == Wanted::running) {
        live.started = Clock::now();
        BASE_TRY(live.domain->start(caller));
        live.life = Life::started;
        watch.lap(Phase::boot);
    }
    return {};
}

/// A parked shell may have been killed since the driver was last asked. The next one may be dead as well: the second
/// attempt does without the pool.
Result<base::DomId> ToolstackImpl::launch(const Launch& order) {
    bool from_pool = false;
    auto id = launch_once(order, from_pool);
    if (id || !from_pool || !says_gone(id.error())) {
        return id;
    }
    base::log(base::Level::info, words("a shell was dead when it was to be used: ", id.error().message));
    Launch again = order;
    again.shells = Shells::fresh;
    return launch_once(again, from_pool);
}

Result<base::DomId> ToolstackImpl::launch_once(const Launch& order, bool& from_pool) {
    BASE_TRY(admit(order.config));
    Timing timing{};
    Stopwatch watch(timing);
    BASE_ASSIGN(const auto images, find_images(order.config));
    watch.lap(Phase::image);
    BASE_ASSIGN(auto plan, plan_devices(order.config, order.heritage));
    const auto shape = shape_of(order.config, images.image.kind);
    const auto now = watch.lap(Phase::devices);
    auto claim = order.shells == Shells::pooled ? pool_->claim(shape, now) : Pool::Claim{};
    watch.lap(Phase::claim);
    from_pool = claim.shell != nullptr;
    if (!from_pool) {
        BASE_ASSIGN(claim.shell, prepare_now(shape, order.config));
        watch.restart();
    }
    auto live = make_live(order, images, *claim.shell);
    base::ScopeGuard undo([this, &live, &order] { abandon(*live, order.heritage); });
    Record& record = live->record;
    record.from_pool = from_pool;
    if (!live->foreign()) {
        BASE_TRY(live->devices.fit(*live->domain, record.config));
    }
    record_devices(*live, plan);
    watch.lap(Phase::devices);
    BASE_TRY(registry_.save(record));
    watch.lap(Phase::record);
    serve(*live, std::move(plan), order.heritage);
    watch.lap(Phase::devices);
    for (const auto phase : {Phase::image, Phase::claim, Phase::devices, Phase::record}) {
        record.timing[static_cast<std::size_t>(phase)] = timing[static_cast<std::size_t>(phase)];
    }
    if (live->foreign()) {
        undo.dismiss();
        return load_aside(std::move(live), images).id();
    }
    BASE_TRY(boot(*live, images, order.caller));
    undo.dismiss();
    return introduce(std::move(live), claim).id();
}

LiveDomain& ToolstackImpl::introduce(std::unique_ptr<LiveDomain> live, const Pool::Claim& claim) {
    const auto end = Clock::now();
    live->record.total_ns = ns_between(live->begin, end);
    last_launch_ = end;
    measured(*live, end);
    LiveDomain& in = publish(std::move(live));
    pool_->launched(claim.flavour, end);
    if (in.life != Life::loading) {
        emit(EventKind::created, in);
    }
    return in;
}

/// The domain exists from here on; `take_loaded` lets it run.
LiveDomain& ToolstackImpl::load_aside(std::unique_ptr<LiveDomain> live, Images images) {
    live->life = Life::loading;
    loader_.submit({.domain = std::move(live->domain),
                    .kernel = std::move(images.kernel),
                    .image = images.image,
                    .ramdisk = std::move(images.ramdisk),
                    .cmdline = live->record.config.cmdline});
    return introduce(std::move(live), {});
}

void ToolstackImpl::take_loaded() {
    if (!loader_.deadline()) {
        return;
    }
    for (auto& done : loader_.take()) {
        LiveDomain* live = domains_.find(done.domain->id());
        if (live == nullptr || live->life != Life::loading) {
            destroy_quietly(*done.domain);  // it was not to wait for
            continue;
        }
        if (auto finished = finish_load(*live, std::move(done)); !finished) {
            const auto& why = finished.error();
            ++metrics_.failed;
            observer_.on_event({EventKind::crashed, live->id(), live->name(), why.message, 0, why.code});
            forget(*live, {.kind = EndKind::crash, .state = State::crashed, .text = why.message});
        }
    }
}

Result<void> ToolstackImpl::finish_load(LiveDomain& live, Loader::Done done) {
    live.domain = std::move(done.domain);
    live.life = Life::loaded;
    live.record.timing[static_cast<std::size_t>(Phase::image)] = timing_ns(done.took);
    if (!done.result) {
        return fail(std::move(done.result).error().in(words("kernel '", live.record.config.kernel, "'")));
    }
    Stopwatch watch(live.record.timing);
    BASE_TRY(live.devices.open_console(*live.domain, live.record.config, site(), noxs::Origin::fresh));
    watch.lap(Phase::devices);
    BASE_TRY(set_going(live, hypervisor::Caller::goes_on));
    const auto now = Clock::now();
    live.record.total_ns = ns_between(live.begin, now);
    measured(live, now);
    emit(EventKind::created, live);
    told_to_run(live);
    return {};
}

/// A guest that can't say ready counts as ready once it runs.
void ToolstackImpl::told_to_run(const LiveDomain& live) {
    if (live.foreign() && live.life == Life::started) {
        on_ready(live.id());
    }
}

LiveDomain& ToolstackImpl::publish(std::unique_ptr<LiveDomain> live) {
    LiveDomain& in = domains_.insert(std::move(live));
    pool_->set_domains(static_cast<unsigned>(domains_.size()));
    ++metrics_.created;
    count_launch(metrics_, in.record.timing);
    return in;
}

void ToolstackImpl::abandon(LiveDomain& live, const Heritage* heritage) {
    stop_serving(live);
    if (heritage != nullptr) {
        networks_->hand_over(live.id(), heritage->from);  // there may be another attempt
    }
    give_back_addresses(live);
    if (const auto removed = registry_.remove(live.id()); !removed) {
        base::log(base::Level::warn, removed.error().message);
    }
    destroy_quietly(*live.domain);
}

Result<base::DomId> ToolstackImpl::create(const VmConfig& config, Clock::time_point begin, std::uint32_t parse_ns,
                                          hypervisor::Caller caller) {
    auto id = launch({.config = config,
                      .begin = begin,
                      .parse_ns = parse_ns,
                      .caller = caller,
                      .wanted = config.paused ? Wanted::paused : Wanted::running,
                      .restarts = {}});
    if (!id) {
        ++metrics_.failed;
    }
    return id;
}

}  // namespace split
