// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <optional>

#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

std::optional<unsigned> port_of(std::string_view text) {
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool good = error == std::errc() && end == text.data() + text.size() && port <= 65535;
    return good ? std::optional(port) : std::nullopt;
}

/// Takes what stands behind the last ':' off `text`.
std::string_view take_last(std::string_view& text) {
    const auto colon = text.rfind(':');
    const std::string_view last = colon == text.npos ? text : text.substr(colon + 1);
    text = colon == text.npos ? std::string_view() : text.substr(0, colon);
    return last;
}

std::string published(const json::Value& forward) {
    return text_of(forward, "listen") + ":" + std::to_string(number_of(forward, "host_port"));
}

class Forward final : public Verb {
 public:
    const char* name() const override { return "forward"; }
    const char* help() const override { return "Publish a TCP port of a guest on a port of the host"; }
    void declare(Arguments& arguments) override {
        arguments.positional("domain", target_, "Name or id", false);
        arguments.positional("ports", ports_, "[HOSTADDR:]HOSTPORT:GUESTPORT; HOSTPORT 0: any that is free", false);
        arguments.flag("--list", list_, "Show the published ports");
        arguments.option("--remove", removed_, "PORT", "Publish [HOSTADDR:]HOSTPORT no more");
    }
    base::Result<int> run(const Context& context) override {
        const int wishes = (list_ ? 1 : 0) + (removed_.empty() ? 0 : 1) + (target_.empty() ? 0 : 1);
        if (wishes != 1 || target_.empty() != ports_.empty()) {
            return base::fail(base::Code::invalid_argument,
                              "forward: expected a domain and its ports, as in `chaos forward web 8080:80`, or --list, "
                              "or --remove 8080");
        }
        if (list_) {
            return show_list(context);
        }
        return removed_.empty() ? add(context) : remove(context);
    }

 private:
    base::Result<int> show_list(const Context& context) {
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply, client.call("forward.list", "{}"));
        if (context.common.json) {
            print_json(reply);
            return exit_good;
        }
        Table table({"HOST", "GUEST", "ID", "NETWORK"});
        for (const json::Value& forward : list_of(reply, "forwards")) {
            table.add({published(forward),
                       text_of(forward, "guest") + ":" + std::to_string(number_of(forward, "guest_port")),
                       std::to_string(number_of(forward, "id")), text_of(forward, "network")});
        }
        print(table.text());
        return exit_good;
    }

    base::Result<int> add(const Context& context) {
        std::string_view rest = ports_;
        const auto guest_port = port_of(take_last(rest));
        const auto host_port = port_of(take_last(rest));
        if (!guest_port || *guest_port == 0 || !host_port) {
            return base::fail(base::Code::invalid_argument,
                              "forward: got '" + ports_ + "'; expected [HOSTADDR:]HOSTPORT:GUESTPORT, as in 8080:80");
        }
        std::string more;
        json::Writer writer(more);
        if (!rest.empty()) {
            writer.member("listen", rest);
        }
        writer.member("host_port", *host_port).member("guest_port", *guest_port);
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply, client.call("forward.add", target_params(target_, more)));
        if (context.common.json) {
            print_json(reply);
        } else {
            print(target_ + ": port " + std::to_string(*guest_port) + " is published at " + published(reply) + "\n");
        }
        return exit_good;
    }

    base::Result<int> remove(const Context& context) {
        std::string_view rest = removed_;
        const auto port = port_of(take_last(rest));
        if (!port || *port == 0) {
            return base::fail(base::Code::invalid_argument,
                              "forward: got '" + removed_ + "'; expected [HOSTADDR:]HOSTPORT, as in 8080");
        }
        std::string params;
        json::Writer writer(params);
        writer.begin_object();
        if (!rest.empty()) {
            writer.member("listen", rest);
        }
        writer.member("host_port", *port).end_object();
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply, client.call("forward.remove", params));
        if (context.common.json) {
            print_json(reply);
        } else {
            print(removed_ + ": published no more\n");
        }
        return exit_good;
    }

    std::string target_, ports_, removed_;
    bool list_{false};
};

}  // namespace

std::unique_ptr<Verb> make_forward() {
    return std::make_unique<Forward>();
}

}  // namespace chaos::cli
