// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/console_session.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

class Console final : public Verb {
 public:
    const char* name() const override { return "console"; }
    const char* help() const override {
        return "Join the console of a domain; Ctrl-] leaves it. Of one that has ended: show what was kept";
    }
    void declare(Arguments& arguments) override {
        arguments.positional("domain", target_, "Name or id");
        arguments.flag("--new", new_only_, "Only what comes from now on");
    }
    base::Result<int> run(const Context& context) override {
        BASE_ASSIGN(Client client, context.connect());
        return run_console(client, target_, !new_only_);
    }

 private:
    std::string target_;
    bool new_only_{false};
};

}  // namespace

std::unique_ptr<Verb> make_console() {
    return std::make_unique<Console>();
}

}  // namespace chaos::cli
