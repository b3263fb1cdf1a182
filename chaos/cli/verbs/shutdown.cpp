// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/verbs/target_verb.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

class Shutdown final : public TargetVerb {
 public:
    const char* name() const override { return "shutdown"; }
    const char* help() const override { return "Ask guests to power off; after a while they are ended by force"; }
    void declare(Arguments& arguments) override {
        TargetVerb::declare(arguments);
        arguments.flag("-w,--wait", wait_, "Wait until each has ended");
    }

 private:
    const char* method() const override { return "domain.shutdown"; }
    const char* done() const override { return "asked to power off"; }
    std::string more_params() const override { return wait_ ? "\"wait\":true" : ""; }
    std::string said(const std::string& target, const json::Value& reply) const override {
        const std::string how = text_of(reply, "how");
        return wait_ ? target + ": " + printable(how.empty() ? "ended" : how) + "\n" : TargetVerb::said(target, reply);
    }

    bool wait_{false};
};

}  // namespace

std::unique_ptr<Verb> make_shutdown() {
    return std::make_unique<Shutdown>();
}

}  // namespace chaos::cli
