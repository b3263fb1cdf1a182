// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/config/file.hpp"
#include "chaos/config/schema.hpp"
#include "chaos/config/vm_config.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

// Needs no daemon.
class Config final : public Verb {
 public:
    const char* name() const override { return "config"; }
    const char* help() const override {
        return "\"config validate vm.json\" checks a file; \"config schema\" prints its schema";
    }
    void declare(Arguments& arguments) override {
        arguments.positional("action", action_, "validate or schema");
        arguments.positional("vm.json", file_, "validate: the file", false);
        arguments.rest("key=value", overrides_, "validate: over what the file says, as for create");
    }
    base::Result<int> run(const Context& context) override {
        if (action_ == "schema") {
            print(vm_schema());
            return exit_good;
        }
        if (action_ != "validate") {
            return base::fail(base::Code::invalid_argument,
                              "config: got '" + action_ + "'; expected validate or schema");
        }
        if (file_.empty()) {
            return base::fail(base::Code::invalid_argument, "config validate: expected the name of a file");
        }
        const std::string here = working_directory();
        const auto config = load_vm_file(absolute_path(file_, here), VmSource{file_, overrides_, here});
        if (context.common.json) {
            return report_json(config);
        }
        BASE_TRY(config);
        print(file_ + ": good\n");
        return exit_good;
    }

 private:
    static int report_json(const base::Result<split::VmConfig>& config) {
        std::string text;
        json::Writer writer(text);
        writer.begin_object().member("valid", config.has_value());
        if (!config) {
            writer.member("error", config.error().message);
        }
        writer.end_object();
        print(text.append("\n"));
        return config ? exit_good : exit_usage;
    }

    std::string action_, file_;
    std::vector<std::string> overrides_;
};

}  // namespace

std::unique_ptr<Verb> make_config() {
    return std::make_unique<Config>();
}

}  // namespace chaos::cli
