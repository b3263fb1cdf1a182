// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

constexpr unsigned not_given = ~0U;

class Pool final : public Verb {
 public:
    const char* name() const override { return "pool"; }
    const char* help() const override { return "Show the pool of prepared shells; \"pool set\" changes a flavour"; }
    void declare(Arguments& arguments) override {
        arguments.positional("action", action_, "status (default) or set", false);
        arguments.option("--memory", memory_, "SIZE", "set: memory of the flavour");
        arguments.option("--vcpus", vcpus_, "N", "set: virtual CPUs of the flavour; default 1");
        arguments.option("--vifs", vifs_, "N", "set: network interfaces of its guests; default 0");
        arguments.option("--vbds", vbds_, "N", "set: disks of its guests; default 0");
        arguments.option("--floor", floor_, "N", "set: keep at least this many ready");
        arguments.option("--ceiling", ceiling_, "N", "set: never more than this; 0 removes the flavour");
    }
    base::Result<int> run(const Context& context) override {
        if (action_ != "status" && action_ != "set") {
            return base::fail(base::Code::invalid_argument, "pool: got '" + action_ + "'; expected status or set");
        }
        if (action_ == "set" && memory_.empty()) {
            return base::fail(base::Code::invalid_argument, "pool set: expected --memory, as in --memory 8MiB");
        }
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply,
                    action_ == "set" ? client.call("pool.set", params()) : client.call("pool.status", "{}"));
        if (context.common.json) {
            print_json(reply);
            return exit_good;
        }
        show(reply);
        return exit_good;
    }

 private:
    std::string params() const {
        std::string text;
        json::Writer writer(text);
        const bool number = memory_.find_first_not_of("0123456789") == std::string::npos;
        writer.begin_object().key("memory");
        if (number) {
            writer.raw(std::to_string(std::strtoull(memory_.c_str(), nullptr, 10)));
        } else {
            writer.value(memory_);
        }
        for (const auto& [key, value] :
             {std::pair("vcpus", vcpus_), {"vifs", vifs_}, {"vbds", vbds_}, {"floor", floor_}, {"ceiling", ceiling_}}) {
            if (value != not_given) {
                writer.member(key, value);
            }
        }
        if (ceiling_ == 0 && floor_ == not_given) {
            writer.member("floor", 0);
        }
        writer.end_object();
        return text;
    }

    static void show(const json::Value& reply) {
        Table table(
            {"MEM", "VCPUS", "VIFS", "VBDS", "FLOOR", "CEILING", "TARGET", "READY", "HITS", "MISSES", "PREPARED"});
        std::string errors;
        for (const json::Value& flavour : list_of(reply, "flavours")) {
            std::vector<std::string> row{text_of(flavour, "memory")};
            for (const char* key :
                 {"vcpus", "vifs", "vbds", "floor", "ceiling", "target", "ready", "hits", "misses", "prepared"}) {
                row.push_back(std::to_string(number_of(flavour, key)));
            }
            table.add(std::move(row));
            if (const std::string error = text_of(flavour, "last_error"); !error.empty()) {
                errors += text_of(flavour, "memory") + ": the last refill failed: " + printable(error) + "\n";
            }
        }
        print(table.text() + errors);
    }

    std::string action_{"status"}, memory_;
    unsigned vcpus_{not_given}, vifs_{not_given}, vbds_{not_given}, floor_{not_given}, ceiling_{not_given};
};

}  // namespace

std::unique_ptr<Verb> make_pool() {
    return std::make_unique<Pool>();
}

}  // namespace chaos::cli
