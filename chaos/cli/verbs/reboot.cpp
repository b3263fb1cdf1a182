// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/verbs/target_verb.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

class Reboot final : public TargetVerb {
 public:
    const char* name() const override { return "reboot"; }
    const char* help() const override { return "Ask guests to reboot"; }

 private:
    const char* method() const override { return "domain.reboot"; }
    const char* done() const override { return "asked to reboot"; }
};

}  // namespace

std::unique_ptr<Verb> make_reboot() {
    return std::make_unique<Reboot>();
}

}  // namespace chaos::cli
