// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

std::string ready_text(const json::Value& domain) {
    const json::Value& ready = object_of(object_of(domain, "timing"), "ready_us");
    return ready.is(json::Type::null) ? "-" : std::to_string(static_cast<unsigned long long>(ready.as_double()));
}

class List final : public Verb {
 public:
    const char* name() const override { return "list"; }
    const char* help() const override { return "Show the domains"; }
    void declare(Arguments&) override {}
    base::Result<int> run(const Context& context) override {
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply, client.call("domain.list", "{}"));
        if (context.common.json) {
            print_json(reply);
            return exit_good;
        }
        Table table({"NAME", "ID", "STATE", "MEM", "VCPUS", "UPTIME", "READY(us)"});
        for (const json::Value& domain : list_of(reply, "domains")) {
            table.add({text_of(domain, "name"), std::to_string(number_of(domain, "id")), text_of(domain, "state"),
                       bytes_text(number_of(domain, "memory_bytes")), std::to_string(number_of(domain, "vcpus")),
                       duration_text(number_of(domain, "uptime_ms")), ready_text(domain)});
        }
        print(table.text());
        return exit_good;
    }
};

}  // namespace

std::unique_ptr<Verb> make_list() {
    return std::make_unique<List>();
}

}  // namespace chaos::cli
