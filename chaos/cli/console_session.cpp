// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/console_session.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "chaos/cli/output.hpp"
#include "chaos/cli/terminal.hpp"
#include "chaos/cli/verb.hpp"
#include "chaos/json/writer.hpp"
#include "chaos/rpc/base64.hpp"

namespace chaos::cli {

namespace {

constexpr char detach_key = 0x1d;          // Ctrl-]
constexpr std::size_t input_bytes = 4096;  // read ahead of the guest
constexpr int full_console_retry_ms = 20;  // only while typed input waits for a guest that does not read

class Session {
 public:
    Session(Client& client, std::string target, bool history)
        : client_(client), target_(std::move(target)), history_(history), terminal_(STDIN_FILENO) {}

    base::Result<int> run() {
        if (terminal_.active()) {
            std::fputs("chaos: attached; leave with Ctrl-]\n", stderr);
        }
        BASE_TRY(attach());
        while (!status_) {
            BASE_TRY(flush_input());
            BASE_TRY(wait());
        }
        return *status_;
    }

 private:
    base::Result<void> attach() {
        const auto on_notification = [this](const std::string& method, const json::Value& params) {
            take(method, params);
        };
        BASE_ASSIGN(
            const json::Value reply,
            client_.call("console.attach", target_params(target_, history_ ? "\"history\":true" : "\"history\":false"),
                         on_notification));
        id_ = number_of(reply, "id");
        return {};
    }

    base::Result<void> wait() {
        while (!status_) {  // what is here already
            auto message = client_.next(Client::Wait::no);
            if (!message && Client::is_nothing(message.error())) {
                break;
            }
            if (!message) {
                return std::unexpected(std::move(message).error());
            }
            BASE_TRY(handle(*message));
        }
        if (status_ || (!outstanding_ && !stuck_ && !pending_.empty())) {
            return {};
        }
        const bool room = open_ && pending_.size() < input_bytes;
        pollfd ready[2] = {{client_.descriptor(), POLLIN, 0}, {room ? STDIN_FILENO : -1, POLLIN, 0}};
        if (::poll(ready, 2, stuck_ ? full_console_retry_ms : -1) < 0 && errno != EINTR) {
            return base::fail_errno(errno, "poll");
        }
        stuck_ = false;
        if (ready[1].revents != 0) {
            read_input();
        }
        return {};
    }

    void read_input() {
        char buffer[input_bytes];
        const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (got <= 0) {
            open_ = got < 0 && errno == EINTR;
            return;
        }
        const std::string_view typed(buffer, static_cast<std::size_t>(got));
        const std::size_t detach = terminal_.active() ? typed.find(detach_key) : std::string_view::npos;
        pending_ += typed.substr(0, detach);
        if (detach != std::string_view::npos) {
            std::fputs("\nchaos: detached; the guest goes on\n", stderr);
            status_ = exit_good;
        }
    }

    base::Result<void> flush_input() {
        if (status_ || outstanding_ || stuck_ || pending_.empty()) {
            return {};
        }
        std::string params;
        json::Writer writer(params);
        writer.begin_object().member("id", id_);
        rpc::write_bytes(writer, pending_);
        writer.end_object();
        outstanding_ = true;
        return client_.send("console.input", params);
    }

    base::Result<void> handle(const json::Value& message) {
        if (const json::Value* method = message.find("method")) {
            take(method->text, object_of(message, "params"));
            return rebooted_ ? follow() : base::Result<void>();
        }
        outstanding_ = false;
        if (!check_reply(message)) {
            pending_.clear();  // no console, or the guest has ended: its end is told by itself
            open_ = false;
            return {};
        }
        const std::size_t accepted = number_of(object_of(message, "result"), "accepted");
        pending_.erase(0, accepted);
        stuck_ = !pending_.empty();
        return {};
    }

    void take(const std::string& method, const json::Value& params) {
        if (method == "console.output") {
            print(rpc::read_bytes(params).value_or(""));
        } else if (method == "console.closed" && number_of(params, "new_id") != 0) {
            rebooted_ = number_of(params, "new_id");
        } else if (method == "console.closed") {
            const std::string how = text_of(params, "how");
            const std::string reason = text_of(params, "reason");
            std::fprintf(stderr, "chaos: %s (id %llu) ended: %s\n", printable(text_of(params, "name")).c_str(),
                         static_cast<unsigned long long>(number_of(params, "id")),
                         printable(how.empty() ? reason : how).c_str());
            status_ = reason == "shutdown" ? exit_good : exit_failed;
        }
    }

    base::Result<void> follow() {
        std::fputs("chaos: the guest reboots\n", stderr);
        target_ = std::to_string(*std::exchange(rebooted_, std::nullopt));
        history_ = true;
        return attach();
    }

    Client& client_;
    std::string target_;
    bool history_;
    RawTerminal terminal_;
    std::uint64_t id_{0};
    std::string pending_;      // typed, not accepted yet
    bool open_{true};          // standard input
    bool outstanding_{false};  // a console.input without its reply
    bool stuck_{false};        // the guest's ring is full
    std::optional<std::uint64_t> rebooted_;
    std::optional<int> status_;
};

}  // namespace

base::Result<int> run_console(Client& client, std::string target, bool history) {
    return Session(client, std::move(target), history).run();
}

}  // namespace chaos::cli
