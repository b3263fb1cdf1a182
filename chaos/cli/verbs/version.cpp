// SPDX-License-Identifier: Apache-2.0
#include "chaos/version.hpp"

#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/json/writer.hpp"
#include "chaos/rpc/message.hpp"

namespace chaos::cli {

namespace {

// Also of a daemon that speaks another version of the API.
class Version final : public Verb {
 public:
    const char* name() const override { return "version"; }
    const char* help() const override { return "Show the version of this program and of the daemon, if one runs"; }
    void declare(Arguments&) override {}
    base::Result<int> run(const Context& context) override {
        base::Result<json::Value> daemon = json::Value{};
        if (auto client = Client::connect(context.common.socket)) {
            daemon = client->call("hello", "{}");
        }
        const bool known = daemon && daemon->is(json::Type::object);
        if (!context.common.json) {
            print(std::string("chaos ") + version + ", API " + std::to_string(rpc::api_version) + "\n");
            const bool refused = !daemon && daemon.error().code == base::Code::version_mismatch;
            print(refused ? daemon.error().message + "\n"
                  : known ? "chaosd " + text_of(*daemon, "version") + ", API " +
                                std::to_string(number_of(*daemon, "api")) + ", driver " + text_of(*daemon, "driver") +
                                ", pid " + std::to_string(number_of(*daemon, "pid")) + "\n"
                          : std::string("no daemon is running\n"));
            return exit_good;
        }
        std::string text;
        json::Writer writer(text);
        writer.begin_object().member("version", version).member("api", rpc::api_version).key("daemon");
        std::string shown = "null";
        if (known) {
            shown.clear();
            json::append_value(shown, *daemon);
        }
        writer.raw(shown).end_object();
        print(text.append("\n"));
        return exit_good;
    }
};

}  // namespace

std::unique_ptr<Verb> make_version() {
    return std::make_unique<Version>();
}

}  // namespace chaos::cli
