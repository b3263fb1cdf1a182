// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "chaos/cli/output.hpp"
#include "chaos/cli/verb.hpp"

namespace chaos::cli {

/// A verb that does one thing to each domain it is given, and stops at the first that fails.
class TargetVerb : public Verb {
 public:
    void declare(Arguments& arguments) override { arguments.rest("domain", targets_, "Names or ids"); }

    base::Result<int> run(const Context& context) override {
        if (targets_.empty()) {
            return base::fail(base::Code::invalid_argument,
                              std::string(name()) + ": no domain is named; expected names or ids");
        }
        BASE_ASSIGN(Client client, context.connect());
        for (const std::string& target : targets_) {
            BASE_ASSIGN(const json::Value reply, client.call(method(), target_params(target, more_params())));
            if (context.common.json) {
                print_json(reply);
            } else {
                print(said(target, reply));
            }
        }
        return exit_good;
    }

 protected:
    virtual const char* method() const = 0;
    virtual std::string more_params() const { return {}; }
    virtual std::string said(const std::string& target, const json::Value&) const {
        return target + ": " + done() + "\n";
    }
    /// "paused": for the line that tells of success.
    virtual const char* done() const = 0;

    std::vector<std::string> targets_;
};

}  // namespace chaos::cli
