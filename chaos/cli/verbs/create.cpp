// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "chaos/cli/console_session.hpp"
#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/config/file.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds patience{300};  // before a progress bar shows
constexpr std::size_t longest_listing = 10;

// One line on standard error that is drawn over and over; nothing where that is no terminal.
class ProgressBar {
 public:
    void update(const json::Value& progress) {
        if (::isatty(STDERR_FILENO) == 0 || Clock::now() - begin_ < patience) {
            return;
        }
        constexpr std::uint64_t width = 40;
        const std::uint64_t count = std::max<std::uint64_t>(number_of(progress, "count"), 1);
        const std::uint64_t made = std::min(number_of(progress, "created"), count);
        const auto filled = static_cast<std::size_t>(width * made / count);
        const std::string bar = std::string(filled, '#') + std::string(width - filled, '.');
        std::fprintf(stderr, "\r[%s] %llu of %llu", bar.c_str(), static_cast<unsigned long long>(made),
                     static_cast<unsigned long long>(count));
        shown_ = true;
    }
    ~ProgressBar() {
        if (shown_) {
            std::fputs("\r\033[K", stderr);
        }
    }
    ProgressBar() = default;
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

 private:
    Clock::time_point begin_{Clock::now()};
    bool shown_{false};
};

std::string outcome(const json::Value& domain) {
    const json::Value& timing = object_of(domain, "timing");
    const json::Value& ready = object_of(timing, "ready_us");
    if (!ready.is(json::Type::null)) {
        return "ready in " + micros_text(ready.as_double());
    }
    return text_of(domain, "state") + ", started in " + micros_text(real_of(timing, "total_us"));
}

std::string summary(const std::vector<json::Value>& domains, double elapsed_us) {
    std::vector<double> times;
    bool ready = true;
    for (const json::Value& domain : domains) {
        const json::Value& timing = object_of(domain, "timing");
        ready = ready && !object_of(timing, "ready_us").is(json::Type::null);
        times.push_back(ready ? real_of(timing, "ready_us") : real_of(timing, "total_us"));
    }
    std::sort(times.begin(), times.end());
    return std::to_string(domains.size()) + " guests " + (ready ? "ready" : "started") + " in " +
           micros_text(elapsed_us) + " (each: median " + micros_text(times[times.size() / 2]) + ", p99 " +
           micros_text(times[times.size() * 99 / 100]) + ")\n";
}

class Create final : public Verb {
 public:
    const char* name() const override { return "create"; }
    const char* help() const override {
        return "Create domains from a configuration file and wait until they are ready";
    }
    void declare(Arguments& arguments) override {
        arguments.option("-n,--count", count_, "N", "How many; with a name in the file they get \"-1\", \"-2\" ...");
        arguments.flag("-c,--console", console_, "Join the console until the guest ends");
        arguments.flag("-p,--paused", paused_, "Create, but do not start");
        arguments.flag("--dry-run", dry_run_, "Check everything, create nothing");
        arguments.option("--wait", wait_, "created|ready", "What to wait for; default ready (with -c: created)");
        arguments.option("--timeout", timeout_, "S", "How long to wait for ready; default 10 seconds");
        arguments.positional("vm.json", file_, "The configuration");
        arguments.rest("key=value", overrides_, "Over what the file says: name=web memory=8MiB vcpus.count=2 ...");
    }
    base::Result<int> run(const Context& context) override;

 private:
    base::Result<void> check() const;
    std::string params() const;

    std::string file_, wait_;
    std::vector<std::string> overrides_;
    unsigned count_{1};
    double timeout_{10};
    bool console_{false}, paused_{false}, dry_run_{false};
};

base::Result<void> Create::check() const {
    const auto wrong = [](std::string what) {
        return base::fail(base::Code::invalid_argument, "create: " + std::move(what));
    };
    if (count_ == 0) {
        return wrong("-n 0; expected at least 1");
    }
    if (console_ && (count_ > 1 || dry_run_)) {
        return wrong("--console goes with one guest only; expected no -n and no --dry-run");
    }
    if (!wait_.empty() && wait_ != "created" && wait_ != "ready") {
        return wrong("--wait: got '" + wait_ + "'; expected created or ready");
    }
    return {};
}

std::string Create::params() const {
    std::string text;
    json::Writer writer(text);
    const std::string here = working_directory();
    writer.begin_object()
        .member("path", absolute_path(file_, here))
        .member("label", file_)
        .member("base", here)
        .member("wait", wait_.empty() ? (console_ ? "created" : "ready") : wait_)
        .member("timeout_ms", static_cast<std::uint64_t>(timeout_ * 1000));
    if (count_ != 1) {
        writer.member("count", count_).member("progress", ::isatty(STDERR_FILENO) == 1);
    }
    if (dry_run_) {
        writer.member("dry_run", true);
    }
    if (paused_ || !overrides_.empty()) {
        writer.key("overrides").begin_array();
        for (const std::string& argument : overrides_) {
            writer.value(argument);
        }
        if (paused_) {
            writer.value("paused=true");
        }
        writer.end_array();
    }
    writer.end_object();
    return text;
}

base::Result<int> Create::run(const Context& context) {
    BASE_TRY(check());
    BASE_ASSIGN(Client client, context.connect());
    const Clock::time_point begin = Clock::now();
    base::Result<json::Value> reply = json::Value{};
    {
        ProgressBar bar;
        reply = client.call("domain.create", params(),
                            [&](const std::string&, const json::Value& progress) { bar.update(progress); });
    }
    if (!reply) {
        return std::unexpected(std::move(reply).error());
    }
    const double elapsed_us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    const std::vector<json::Value>& domains = list_of(*reply, "domains");
    if (context.common.json) {
        print_json(*reply);
    } else if (dry_run_) {
        print(file_ + ": good; nothing was created\n");
    } else if (domains.size() > longest_listing) {
        print(summary(domains, elapsed_us));
    } else if (!console_) {
        for (const json::Value& domain : domains) {
            print(text_of(domain, "name") + "  id " + std::to_string(number_of(domain, "id")) + "  " + outcome(domain) +
                  "\n");
        }
    }
    if (console_ && !domains.empty()) {
        return run_console(client, std::to_string(number_of(domains.front(), "id")), true);
    }
    return exit_good;
}

}  // namespace

std::unique_ptr<Verb> make_create() {
    return std::make_unique<Create>();
}

}  // namespace chaos::cli
