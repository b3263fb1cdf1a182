// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

std::string uplink_text(const json::Value& network) {
    std::string text = text_of(network, "uplink");
    if (const std::string bridge = text_of(network, "bridge"); !bridge.empty()) {
        text += " " + bridge;
    }
    return flag_of(network, "nat") ? text + ", NAT" : text;
}

std::string error_text(const json::Value& network) {
    const std::string error = text_of(network, "uplink_error");
    return error.empty() ? std::string() : text_of(network, "name") + ": " + printable(error) + "\n";
}

class Network final : public Verb {
 public:
    const char* name() const override { return "network"; }
    const char* help() const override { return "Create, show and remove the networks of guests"; }
    void declare(Arguments& arguments) override {
        arguments.positional("action", action_, "list (default), create, info or remove", false);
        arguments.positional("network", network_, "Its name", false);
        arguments.option("--address", address_, "A.B.C.D/N", "create: the gateway's address and the prefix of all");
        arguments.option("--uplink", uplink_, "KIND", "create: none (default), tap or bridge");
        arguments.option("--bridge", bridge_, "NAME", "create: the Linux bridge that an uplink \"bridge\" joins");
        arguments.flag("--nat", nat_, "create: guests reach what the host reaches (uplink \"tap\")");
    }
    base::Result<int> run(const Context& context) override {
        const bool known = action_ == "list" || action_ == "create" || action_ == "info" || action_ == "remove";
        if (!known) {
            return base::fail(base::Code::invalid_argument,
                              "network: got '" + action_ + "'; expected list, create, info or remove");
        }
        if ((action_ == "list") != network_.empty()) {
            return base::fail(base::Code::invalid_argument,
                              action_ == "list" ? "network list: expected no name; `chaos network info NAME` shows one"
                                                : "network " + action_ + ": no network is named; expected its name");
        }
        if (action_ != "create" && (nat_ || !address_.empty() || !uplink_.empty() || !bridge_.empty())) {
            return base::fail(base::Code::invalid_argument,
                              "network " + action_ + ": --address, --uplink, --bridge and --nat are for create");
        }
        BASE_ASSIGN(Client client, context.connect());
        const std::string method = action_ == "info" ? "get" : action_;
        BASE_ASSIGN(const json::Value reply, client.call("network." + method, params()));
        if (context.common.json) {
            print_json(reply);
        } else {
            show(reply);
        }
        return exit_good;
    }

 private:
    std::string params() const {
        std::string text;
        json::Writer writer(text);
        writer.begin_object();
        for (const auto& [key, value] :
             {std::pair("name", &network_), {"address", &address_}, {"uplink", &uplink_}, {"bridge", &bridge_}}) {
            if (!value->empty()) {
                writer.member(key, *value);
            }
        }
        if (nat_) {
            writer.member("nat", true);
        }
        writer.end_object();
        return text;
    }

    void show(const json::Value& reply) const {
        if (action_ == "list") {
            show_list(reply);
        } else if (action_ == "remove") {
            print(network_ + ": removed\n");
        } else if (action_ == "create") {
            print(network_ + ": created, " + text_of(reply, "address") + "\n");
        } else {
            show_one(reply);
        }
    }

    static void show_list(const json::Value& reply) {
        Table table({"NAME", "ADDRESS", "UPLINK", "PORTS", "FORWARDS"});
        std::string errors;
        for (const json::Value& network : list_of(reply, "networks")) {
            table.add({text_of(network, "name"), text_of(network, "address"), uplink_text(network),
                       std::to_string(number_of(network, "ports")),
                       std::to_string(list_of(network, "forwards").size())});
            errors += error_text(network);
        }
        print(table.text() + errors);
    }

    static void show_one(const json::Value& network) {
        std::string text = "name      " + text_of(network, "name") + "\naddress   " + text_of(network, "address") +
                           "\nuplink    " + uplink_text(network) + "\nports     " +
                           std::to_string(number_of(network, "ports")) + "\n";
        for (const json::Value& counter : object_of(network, "counters").children) {
            text += "counter   " + counter.key + " " + counter.text + "\n";
        }
        for (const json::Value& forward : list_of(network, "forwards")) {
            text += "forward   " + text_of(forward, "listen") + ":" + std::to_string(number_of(forward, "host_port")) +
                    " to " + text_of(forward, "guest") + ":" + std::to_string(number_of(forward, "guest_port")) + "\n";
        }
        print(text + error_text(network));
    }

    std::string action_{"list"}, network_, address_, uplink_, bridge_;
    bool nat_{false};
};

}  // namespace

std::unique_ptr<Verb> make_network() {
    return std::make_unique<Network>();
}

}  // namespace chaos::cli
