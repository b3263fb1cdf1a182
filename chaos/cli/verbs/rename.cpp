// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

class Rename final : public Verb {
 public:
    const char* name() const override { return "rename"; }
    const char* help() const override { return "Give a domain another name"; }
    void declare(Arguments& arguments) override {
        arguments.positional("domain", target_, "Name or id");
        arguments.positional("new-name", new_name_, "The name to take");
    }
    base::Result<int> run(const Context& context) override {
        BASE_ASSIGN(Client client, context.connect());
        std::string more = "\"new_name\":";
        json::append_string(more, new_name_);
        BASE_ASSIGN(const json::Value reply, client.call("domain.rename", target_params(target_, more)));
        if (context.common.json) {
            print_json(reply);
        } else {
            print(target_ + ": now " + new_name_ + "\n");
        }
        return exit_good;
    }

 private:
    std::string target_, new_name_;
};

}  // namespace

std::unique_ptr<Verb> make_rename() {
    return std::make_unique<Rename>();
}

}  // namespace chaos::cli
