// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

constexpr int stop_deadline_ms = 30'000;

class Daemon final : public Verb {
 public:
    const char* name() const override { return "daemon"; }
    const char* help() const override { return "\"daemon status\" and \"daemon stop\"; it starts by itself"; }
    void declare(Arguments& arguments) override {
        arguments.positional("action", action_, "status (default) or stop", false);
        arguments.option("--domains", domains_, "keep|destroy", "stop: what becomes of the domains; default keep");
    }
    base::Result<int> run(const Context& context) override {
        if (action_ != "status" && action_ != "stop") {
            return base::fail(base::Code::invalid_argument, "daemon: got '" + action_ + "'; expected status or stop");
        }
        if (domains_ != "keep" && domains_ != "destroy") {
            return base::fail(base::Code::invalid_argument,
                              "daemon: --domains: got '" + domains_ + "'; expected keep or destroy");
        }
        BASE_ASSIGN(Client client, Client::connect(context.common.socket));
        return action_ == "stop" ? stop(client, context) : status(client, context);
    }

 private:
    base::Result<int> stop(Client& client, const Context& context) const {
        BASE_ASSIGN(const base::Fd process, client.process());
        BASE_ASSIGN(const json::Value reply, client.call("daemon.stop", "{\"domains\":\"" + domains_ + "\"}"));
        pollfd gone{process.get(), POLLIN, 0};
        if (::poll(&gone, 1, stop_deadline_ms) != 1) {
            return base::fail(base::Code::timed_out, "the daemon has not stopped after 30 s");
        }
        if (context.common.json) {
            print_json(reply);
        } else {
            print(domains_ == "destroy" ? "stopped; " + std::to_string(number_of(reply, "destroyed")) + " destroyed\n"
                                        : std::string("stopped; domains live on\n"));
        }
        return exit_good;
    }

    static base::Result<int> status(Client& client, const Context& context) {
        BASE_ASSIGN(const json::Value reply, client.call("daemon.info", "{}"));
        if (context.common.json) {
            print_json(reply);
            return exit_good;
        }
        print("chaosd " + text_of(reply, "version") + ", pid " + std::to_string(number_of(reply, "pid")) + ", up " +
              duration_text(number_of(reply, "uptime_ms")) + ", " + std::to_string(number_of(reply, "domains")) +
              " domains, driver " + text_of(object_of(reply, "driver"), "name") + ", socket " +
              text_of(reply, "socket") + "\n");
        return exit_good;
    }

    std::string action_{"status"}, domains_{"keep"};
};

}  // namespace

std::unique_ptr<Verb> make_daemon() {
    return std::make_unique<Daemon>();
}

}  // namespace chaos::cli
