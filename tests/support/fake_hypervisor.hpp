// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "hypervisor/hypervisor.hpp"
#include "tests/support/fake_machine.hpp"

namespace test_support {

/// The driver of a FakeMachine. Letting it go is what a crash of the daemon is to a real hypervisor.
class FakeHypervisor final : public hypervisor::Hypervisor {
 public:
    explicit FakeHypervisor(std::shared_ptr<FakeMachine> machine) : machine_(std::move(machine)) {}

    const hypervisor::Capabilities& capabilities() const override { return machine_->capabilities; }
    hypervisor::Result<std::unique_ptr<hypervisor::Domain>> create_shell(const hypervisor::ShellSpec& spec) override;
    hypervisor::Result<std::vector<std::unique_ptr<hypervisor::Domain>>> adopt() override;
    int poll_fd() const override { return machine_->poll_fd(); }
    hypervisor::Result<void> poll(hypervisor::EventSink& sink, std::size_t budget) override;

 private:
    std::shared_ptr<FakeMachine> machine_;
};

}  // namespace test_support
