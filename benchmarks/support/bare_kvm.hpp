// SPDX-License-Identifier: Apache-2.0
// The bare limit of a launch on KVM: a virtual machine that was prepared beforehand, with nothing around it.
#pragma once

#include <linux/kvm.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/fd.hpp"
#include "base/mapping.hpp"
#include "base/result.hpp"

namespace bench {

/// KVM's struct kvm_cpuid2: the header's own is 4 bytes too long in C++, where its flexible array takes room.
struct CpuidTable {
    std::uint32_t count;
    std::uint32_t padding;
    std::array<kvm_cpuid_entry2, 256> entries;
};
static_assert(offsetof(CpuidTable, entries) == 8);

/// /dev/kvm, and what is asked of it once.
class KvmHost {
 public:
    /// Errors: what open(2) says, unsupported (no doorbells, no CPUID).
    static base::Result<KvmHost> open();

    int fd() const { return fd_.get(); }
    std::size_t run_size() const { return run_size_; }
    const CpuidTable& cpuid() const { return *cpuid_; }

 private:
    KvmHost() = default;
    base::Fd fd_;
    std::size_t run_size_{0};
    std::unique_ptr<CpuidTable> cpuid_;
};

/// Microseconds.
struct BareTimes {
    double first_run;  // first KVM_RUN of the machine until the guest's first instructions exit
    double next_run;   // KVM_RUN of a machine that ran before, until its next exit
    double doorbell;   // one write to a port bound by KVM_IOEVENTFD
};

/// A virtual machine as a shell of the kvm driver holds one: 4 MiB of a memfd, one vCPU in 64-bit mode at privilege
/// level 3, ports by a permission bitmap.
class BareVm {
 public:
    static base::Result<BareVm> prepare(const KvmHost& host);

    /// Runs it, once. Only KVM_RUN is timed. Call it on the thread that prepared it. Errors: protocol_error, the guest
    /// did not do what its instructions say.
    base::Result<BareTimes> run();

 private:
    BareVm() = default;
    base::Result<void> make_memory();
    base::Result<void> make_vcpu(const KvmHost& host);
    base::Result<void> enter_long_mode();
    base::Result<double> run_to_exit();

    base::Mapping memory_;
    base::Fd vm_, vcpu_, bell_;
    base::Mapping run_;
};

}  // namespace bench
