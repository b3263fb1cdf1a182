// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/verbs/target_verb.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

class Destroy final : public TargetVerb {
 public:
    const char* name() const override { return "destroy"; }
    const char* help() const override { return "End domains at once"; }
    void declare(Arguments& arguments) override {
        TargetVerb::declare(arguments);
        arguments.flag("-a,--all", all_, "Every domain");
    }
    base::Result<int> run(const Context& context) override {
        if (!all_) {
            return TargetVerb::run(context);
        }
        if (!targets_.empty()) {
            return base::fail(base::Code::invalid_argument, "destroy: --all and a domain are given; expected one");
        }
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply, client.call("domain.destroy", "{\"all\":true}"));
        if (context.common.json) {
            print_json(reply);
        } else {
            print(std::to_string(number_of(reply, "destroyed")) + " destroyed\n");
        }
        return exit_good;
    }

 private:
    const char* method() const override { return "domain.destroy"; }
    const char* done() const override { return "destroyed"; }

    bool all_{false};
};

}  // namespace

std::unique_ptr<Verb> make_destroy() {
    return std::make_unique<Destroy>();
}

}  // namespace chaos::cli
