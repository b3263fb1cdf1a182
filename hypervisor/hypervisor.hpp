// SPDX-License-Identifier: Apache-2.0
// The one interface to every hypervisor driver. Nothing above this folder knows which driver it talks to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"
#include "hypervisor/data_lane.hpp"

namespace hypervisor {

/// What a driver is and can do; shown by `chaos info`.
struct Capabilities {
    std::string name;                ///< "process", "xen", "kvm"
    std::string version;             ///< of the driver or hypervisor
    std::string isolation;           ///< one honest sentence
    unsigned max_vcpus{1};           ///< of one domain
    unsigned max_domains{0};         ///< that this host's limits allow at once
    std::string max_domains_limit;   ///< the limit behind max_domains ("RLIMIT_NOFILE = 20000")
    base::Bytes min_memory;          ///< of one domain
    base::Bytes max_memory;          ///< of one domain on this host
    bool foreign_kernels{false};     ///< boots GuestKind::pvh and GuestKind::pv
    std::vector<std::string> notes;  ///< what is missing on this host, each with the fix
};

/// What guests are made of, as it stands at this moment.
struct HostInfo {
    base::Bytes total_memory;
    base::Bytes free_memory;  ///< of which domains can be given
};

/// By whose rules a guest is built.
enum class GuestKind : std::uint8_t {
    native,  ///< ours: docs/guest-abi.md. Runs on every driver
    pvh,     ///< somebody else's Xen PVH kernel (ELF, or Linux bzImage); has a Xen console and no noxs pages
    pv,      ///< the same for Xen PV
};

/// What a shell is made of before its image is known: a pool flavour is one of these.
struct ShellSpec {
    base::Bytes memory;  ///< guest-physical size from address 0; a multiple of the page size
    unsigned vcpus{1};
    unsigned control_pages{2};  ///< noxs control pages, 1 .. max_control_pages; all zero at first. native only
    unsigned spare_pages{0};    ///< how many of them, the last ones, are for devices that may be attached later
    bool data_lane{false};  ///< it will have network or disks. A lane can be opened without this too; where doorbells
                            ///< are descriptors it then shares the domain's
    GuestKind kind{GuestKind::native};
    friend bool operator==(const ShellSpec&, const ShellSpec&) = default;
};
inline constexpr unsigned max_control_pages = 104;

/// Xen, public/grant_table.h: GNTTAB_RESERVED_CONSOLE.
inline constexpr base::GrantRef foreign_console_ref{0};

/// Where the pages of noxs lie in the guest's physical address space (outside its RAM map).
struct Layout {
    base::Bytes memory;
    base::Gfn device_page;    ///< readable by the guest, written through Domain::write
    base::Gfn control_first;  ///< control pages, contiguous
    unsigned control_pages{0};
};

/// An image that is ready to be loaded. Native: everything between its first and last loaded byte as one run. Foreign:
/// the file as it is, in `bytes`; the hypervisor's own loader knows what to do with it.
struct Image {
    GuestKind kind{GuestKind::native};
    std::uint64_t load_gpa{0};         ///< where `bytes` goes; page aligned, 1 MiB or above
    std::span<const std::byte> bytes;  ///< file contents of all segments, gaps zeroed
    std::uint64_t begin_gpa{0};        ///< begin of the first segment's memory (a stack or bss at the front included)
    std::uint64_t end_gpa{0};          ///< end of the last segment's memory (bss included)
    std::uint64_t entry64{0};          ///< 64-bit entry (ELF note, vendor "noxs"); 0: none
    std::uint64_t entry_pvh{0};        ///< 32-bit entry (XEN_ELFNOTE_PHYS32_ENTRY); 0: none
};

/// What the guest is told at boot, through Xen's hvm_start_info.
struct BootParams {
    std::string_view cmdline;
    std::span<const std::byte> ramdisk;  ///< empty: none. Loaded page aligned at the end of RAM as module 0
};

enum class Phase : std::uint8_t {
    shell,    ///< prepared and parked; no image yet
    loaded,   ///< image and boot parameters are in; never started
    started,  ///< runs, waits, or is paused
    dead,     ///< ended; kept until `destroy`
};

enum class DeathKind : std::uint8_t {
    exited,          ///< the guest shut itself down; `code` is its exit code
    crashed,         ///< a fault: `signal` (Linux number or exception), `address`, `ip`
    forbidden_call,  ///< it called what its confinement forbids; `cause` may say what
    out_of_memory,   ///< the host took its memory away or had none
    killed,          ///< somebody outside the toolstack ended it, `signal`
    destroyed,       ///< by Domain::destroy
    rebooted,        ///< the guest asked its hypervisor to be started anew; `code` is its exit code
};

/// The general registers of a vCPU.
struct Registers {
    std::uint64_t rax{0}, rbx{0}, rcx{0}, rdx{0}, rsi{0}, rdi{0}, rbp{0}, rsp{0};
    std::uint64_t r8{0}, r9{0}, r10{0}, r11{0}, r12{0}, r13{0}, r14{0}, r15{0};
    std::uint64_t rip{0}, rflags{0};
};

/// Why a domain ended. Words for people: `describe`.
struct Death {
    DeathKind kind{DeathKind::exited};
    std::int32_t code{0};
    std::int32_t signal{0};
    std::uint64_t address{0};
    std::uint64_t ip{0};
    std::optional<Registers> registers{};  ///< of the vCPU that crashed, where its driver could read them
    std::string cause{};                   ///< in words, where the rest does not say it
};

/// The stable name of `kind` ("forbidden_call"), and a sentence ("crashed: SIGSEGV at 0xdead000, ip 0x100123").
std::string_view kind_name(DeathKind kind) noexcept;
std::string describe(const Death& death);

enum class Detail : std::uint8_t {
    state,  ///< phase, paused, blocked, death: reads shared memory, cheap enough for a list of thousands
    full,   ///< also cpu time and resident memory: asks the host
};

/// What the driver itself knows of a domain at this moment.
struct DomainInfo {
    std::string_view driver;  ///< whose domain it is: a driver may adopt another's
    Phase phase{Phase::shell};
    bool paused{false};
    bool blocked{false};           ///< all vCPUs wait for an event
    std::uint64_t cpu_time_us{0};  ///< consumed so far (Detail::full)
    base::Bytes resident;          ///< host memory of the guest's pages (Detail::full)
    std::int64_t host_pid{0};      ///< of the process behind it, 0 where there is none
    Death death;                   ///< valid in Phase::dead
};

/// What the calling thread does next.
enum class Caller : std::uint8_t {
    goes_on,  ///< it has more to do
    waits,    ///< it sleeps until the guest answers: the driver may hand the processor over
};

/// One domain. The object holds the toolstack's handles (mappings, descriptors); letting it go leaves the domain
/// itself alone, so that a daemon can stop and a later one adopt its domains. Single-threaded per object, except
/// where a method says otherwise; different domains may be used from different threads.
class Domain : public Notifier {
 public:
    base::DomId id() const { return id_; }
    const Layout& layout() const { return layout_; }

    // ---- prepare: allowed in Phase::shell

    /// Reserves the next event channel between the guest and the toolstack; returns the guest's port. The first one of
    /// a foreign guest becomes the channel of its Xen console.
    virtual Result<base::EvtchnPort> open_channel() = 0;

    /// Writes entry `ref` of the guest's grant table: domain `backend` may map `frame` read-write.
    virtual Result<void> seed_grant(base::GrantRef ref, base::DomId backend, base::Gfn frame) = 0;

    /// The lane for the backends of network and disks; at most one of a domain. In any phase, of a native guest only.
    /// `left`: the guest's port of the lane that an earlier daemon had (in the record of its devices), else a channel is
    /// made.
    virtual Result<std::unique_ptr<DataLane>> open_data_lane(std::optional<base::EvtchnPort> left) = 0;

    // ---- toolstack privilege

    /// Copies `bytes` into guest memory or noxs pages at guest-physical `gpa`; never maps. limits: inside the domain.
    virtual Result<void> write(std::uint64_t gpa, std::span<const std::byte> bytes) = 0;

    /// Maps `count` guest pages from `first`, read-write, with toolstack privilege. The mapping must not outlive this
    /// object.
    virtual Result<base::Mapping> map_pages(base::Gfn first, std::size_t count) = 0;

    // ---- backend privilege

    /// Maps the page that the guest granted to `backend` under `ref`, after checking the guest's grant table as it
    /// stands now (permit_access, domid, frame inside the guest). The mapping must not outlive this object.
    virtual Result<base::Mapping> map_grant(base::GrantRef ref, base::DomId backend, base::Access access) = 0;

    // ---- execute. Hot: no allocation, lock, fork or log on success; no round trip to the hypervisor's owner.

    /// Puts the image and the boot information into memory. Phase::shell -> Phase::loaded. The image is of the shell's
    /// kind. A foreign one takes as long as its loader takes; afterwards its console ring is granted to domain 0 under
    /// `foreign_console_ref`.
    virtual Result<void> load(const Image& image, const BootParams& params) = 0;

    /// Lets the vCPU go. Phase::loaded -> Phase::started. Calling it again on a started domain does no harm.
    virtual Result<void> start(Caller caller) = 0;

    // ---- management. May block for a round trip.

    virtual Result<void> pause() = 0;
    virtual Result<void> unpause() = 0;
    /// Binds vCPUs to the host CPUs of `cpus` (bit per CPU).
    virtual Result<void> set_affinity(std::uint64_t cpus) = 0;
    /// Ends the domain and gives back all that it holds. Works in every phase, at any time; a second call does no
    /// harm. No death is reported for it afterwards. After it only `id` may be called.
    virtual Result<void> destroy() = 0;
    virtual Result<DomainInfo> info(Detail detail) = 0;

 protected:
    Domain(base::DomId id, Layout layout) : id_(id), layout_(layout) {}
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;
    base::DomId id_;
    Layout layout_;
};

/// Receives what `Hypervisor::poll` found. Called on the thread that polls. A handler may destroy domains, also the
/// one it is called for.
class EventSink {
 public:
    virtual ~EventSink() = default;
    /// The guest rang `port` (one call may stand for many rings).
    virtual void on_channel(base::DomId domain, base::EvtchnPort port) = 0;
    /// The domain ended by itself. It keeps its id and handles until `destroy`.
    virtual void on_death(base::DomId domain, const Death& death) = 0;
    /// The owner of the domains is gone (chaos-hv was killed): every domain has ended; the driver must be opened anew.
    virtual void on_lost(const base::Error& why) = 0;
};

class Hypervisor {
 public:
    virtual ~Hypervisor() = default;

    virtual const Capabilities& capabilities() const = 0;

    /// Asks the host. By default what Linux says of its memory, for drivers whose domains live in that.
    virtual Result<HostInfo> host_info() const;

    /// Prepares a domain and parks it, confined. Blocks for the time that takes. Thread-safe: the pool's refill
    /// thread calls it while the main thread launches.
    virtual Result<std::unique_ptr<Domain>> create_shell(const ShellSpec& spec) = 0;

    /// Every domain that this driver owns and that no live object here stands for (after a restart of the daemon:
    /// all of them, dead ones too). Call it once, before create_shell.
    virtual Result<std::vector<std::unique_ptr<Domain>>> adopt() = 0;

    /// Becomes readable when `poll` has work. Level-triggered.
    virtual int poll_fd() const = 0;

    /// Delivers up to `budget` events without blocking.
    virtual Result<void> poll(EventSink& sink, std::size_t budget) = 0;
};

}  // namespace hypervisor
