// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/verbs/target_verb.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

class Pause final : public TargetVerb {
 public:
    const char* name() const override { return "pause"; }
    const char* help() const override { return "Stop domains where they are"; }

 private:
    const char* method() const override { return "domain.pause"; }
    const char* done() const override { return "paused"; }
};

}  // namespace

std::unique_ptr<Verb> make_pause() {
    return std::make_unique<Pause>();
}

}  // namespace chaos::cli
