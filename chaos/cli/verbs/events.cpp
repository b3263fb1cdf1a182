// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <ctime>

#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

namespace {

std::string line_of(const json::Value& event) {
    const auto ms = static_cast<std::int64_t>(number_of(event, "time_unix_ms"));
    const std::time_t seconds = ms / 1000;
    std::tm local{};
    ::localtime_r(&seconds, &local);
    char time[32];
    const std::size_t length = std::strftime(time, sizeof time, "%H:%M:%S", &local);
    std::string line(time, length);
    line.append("  ").append(std::to_string(number_of(event, "seq"))).append("  ").append(text_of(event, "event"));
    line.append("  ").append(text_of(event, "name")).append(" (id ");
    line.append(std::to_string(number_of(event, "id"))).append(")");
    if (const std::string detail = text_of(event, "detail"); !detail.empty()) {
        line.append("  ").append(printable(detail));
    }
    return line.append("\n");
}

class Events final : public Verb {
 public:
    const char* name() const override { return "events"; }
    const char* help() const override { return "Show what happens, as it happens"; }
    void declare(Arguments& arguments) override {
        arguments.option("--since", since_, "SEQ", "Begin after this sequence number; 0: with the oldest kept");
        arguments.flag("--once", once_, "Show what has happened (all that is kept, or after --since) and end");
    }
    base::Result<int> run(const Context& context) override {
        if (since_.find_first_not_of("0123456789") != std::string::npos) {
            return base::fail(base::Code::invalid_argument, "events: --since: expected a sequence number");
        }
        BASE_ASSIGN(Client client, context.connect());
        const std::string since = since_.empty() && once_ ? "0" : since_;
        BASE_ASSIGN(const json::Value reply,
                    client.call("events.subscribe", since.empty() ? "{}" : "{\"since\":" + since + "}"));
        if (flag_of(reply, "missed")) {
            std::fputs("chaos: some events before these are kept no more\n", stderr);
        }
        std::uint64_t left = once_ ? number_of(reply, "replayed") : UINT64_MAX;
        while (left > 0) {
            BASE_ASSIGN(const json::Value message, client.next(Client::Wait::yes));
            if (message.find("method") == nullptr || text_of(message, "method") != "event") {
                continue;
            }
            const json::Value& event = object_of(message, "params");
            if (context.common.json) {
                print_json(event);
            } else {
                print(line_of(event));
            }
            --left;
        }
        return exit_good;
    }

 private:
    std::string since_;
    bool once_{false};
};

}  // namespace

std::unique_ptr<Verb> make_events() {
    return std::make_unique<Events>();
}

}  // namespace chaos::cli
