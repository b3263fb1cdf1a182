// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/verbs/target_verb.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

class Unpause final : public TargetVerb {
 public:
    const char* name() const override { return "unpause"; }
    const char* help() const override { return "Let paused domains go on"; }

 private:
    const char* method() const override { return "domain.unpause"; }
    const char* done() const override { return "goes on"; }
};

}  // namespace

std::unique_ptr<Verb> make_unpause() {
    return std::make_unique<Unpause>();
}

}  // namespace chaos::cli
