// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

// "timing.phases.boot  12.5": a reply as lines, whatever it holds.
void flatten(std::string& out, const std::string& path, const json::Value& value) {
    const bool object = value.is(json::Type::object);
    if (object || (value.is(json::Type::array) && !value.children.empty())) {
        for (std::size_t i = 0; i < value.children.size(); ++i) {
            const json::Value& child = value.children[i];
            const std::string key = object ? child.key : std::to_string(i);
            flatten(out, path.empty() ? key : path + "." + key, child);
        }
        return;
    }
    std::string text;
    json::append_value(text, value);
    constexpr std::size_t column = 24;
    out.append(path).append(path.size() < column ? column - path.size() : 1, ' ');
    out.append(value.is(json::Type::string) ? printable(value.text) : text).append("\n");
}

class Info final : public Verb {
 public:
    const char* name() const override { return "info"; }
    const char* help() const override { return "Show all about a domain; without one, about the daemon and this host"; }
    void declare(Arguments& arguments) override { arguments.positional("domain", target_, "Name or id", false); }
    base::Result<int> run(const Context& context) override {
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply, target_.empty() ? client.call("daemon.info", "{}")
                                                             : client.call("domain.get", target_params(target_)));
        if (context.common.json) {
            print_json(reply);
            return exit_good;
        }
        std::string text;
        flatten(text, "", reply);
        print(text);
        return exit_good;
    }

 private:
    std::string target_;
};

}  // namespace

std::unique_ptr<Verb> make_info() {
    return std::make_unique<Info>();
}

}  // namespace chaos::cli
