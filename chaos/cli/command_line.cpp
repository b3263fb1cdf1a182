// SPDX-License-Identifier: Apache-2.0
// The one file that knows CLI11.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include <CLI/CLI.hpp>

#include "chaos/cli/autostart.hpp"
#include "chaos/cli/verb.hpp"
#include "chaos/config/daemon_config.hpp"
#include "chaos/config/file.hpp"
#include "chaos/config/node.hpp"
#include "chaos/version.hpp"

namespace chaos::cli {

namespace {

/// A time limit: CLI::PositiveNumber tells of a range with 300 digits.
std::string check_seconds(const std::string& text) {
    constexpr double most = 86400;
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool good = error == std::errc() && end == text.data() + text.size() && number > 0 && number <= most;
    return good ? std::string() : "got '" + text + "'; expected a number of seconds above 0 and up to 86400";
}

class Cli11Arguments final : public Arguments {
 public:
    explicit Cli11Arguments(CLI::App& app) : app_(app) {}
    void flag(const char* names, bool& into, const char* help) override { app_.add_flag(names, into, help); }
    void option(const char* names, std::string& into, const char* value, const char* help) override {
        app_.add_option(names, into, help)->type_name(value);
    }
    void option(const char* names, unsigned& into, const char* value, const char* help) override {
        app_.add_option(names, into, help)->type_name(value);
    }
    void option(const char* names, double& into, const char* value, const char* help) override {
        app_.add_option(names, into, help)->type_name(value)->check(check_seconds);
    }
    void positional(const char* name, std::string& into, const char* help, bool required) override {
        app_.add_option(name, into, help)->type_name("")->required(required);
    }
    void rest(const char* name, std::vector<std::string>& into, const char* help) override {
        app_.add_option(name, into, help)->type_name("");
    }

 private:
    CLI::App& app_;
};

void declare_common(CLI::App& app, Common& common) {
    app.add_option("--socket", common.socket, "Where the daemon listens; default $CHAOS_SOCKET, else its usual place")
        ->type_name("PATH");
    app.add_flag("--json", common.json, "JSON for programs instead of text for people");
    app.add_flag("--no-autostart", common.no_autostart, "Do not start a daemon when there is none");
}

int usage(const std::string& what, const std::string& command = {}) {
    std::fprintf(stderr, "chaos: %s (see chaos %s--help)\n", what.c_str(), command.c_str());
    return exit_usage;
}

// CLI11 takes a word that it does not know for a missing command.
std::string unknown_command(int argc, char** argv, const std::vector<std::unique_ptr<Verb>>& verbs) {
    std::vector<std::string_view> names;
    for (const auto& verb : verbs) {
        names.emplace_back(verb->name());
    }
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--socket") {
            ++i;
        } else if (!word.starts_with('-')) {
            const std::string_view meant = closest(word, names);
            const bool known = std::find(names.begin(), names.end(), word) != names.end();
            const std::string text = "no command '" + std::string(word) + "'";
            return known ? std::string() : meant.empty() ? text : text + "; did you mean '" + std::string(meant) + "'?";
        }
    }
    return {};
}

}  // namespace

base::Result<Client> Context::connect() const {
    auto client = Client::connect(common.socket);
    if (!client && client.error().code == base::Code::permission_denied) {
        client.error().message += "\n  only its owner may use a daemon; see --socket";
    }
    if (client || client.error().code != base::Code::unavailable) {
        return client;
    }
    if (common.no_autostart) {
        return base::fail(base::Code::unavailable,
                          client.error().message + "\n  start it with: chaosd --daemonize --socket " + common.socket);
    }
    return autostart(common.socket);
}

int report(const base::Error& error) {
    std::fprintf(stderr, "chaos: %s\n", error.message.c_str());
    switch (error.code) {
        case base::Code::invalid_argument:
        case base::Code::invalid_config:
        case base::Code::not_found: return exit_usage;
        case base::Code::no_such_domain:
            std::fputs("  see what there is with: chaos list\n", stderr);
            return exit_no_domain;
        default: return exit_failed;
    }
}

int run_command_line(int argc, char** argv) {
    Common common;
    CLI::App app("chaos: virtual machines at the speed of fork", "chaos");
    app.set_version_flag("--version", std::string("chaos ") + version);
    app.require_subcommand(1);
    app.fallthrough();
    declare_common(app, common);
    const auto verbs = all_verbs();
    std::vector<std::pair<CLI::App*, Verb*>> commands;
    for (const auto& verb : verbs) {
        CLI::App* command = app.add_subcommand(verb->name(), verb->help());
        command->fallthrough();
        Cli11Arguments arguments(*command);
        verb->declare(arguments);
        commands.emplace_back(command, verb.get());
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& done) {
        return app.exit(done);  // --help, --version
    } catch (const CLI::Error& error) {
        const std::string unknown = unknown_command(argc, argv, verbs);
        const auto begun = app.get_subcommands();
        const std::string command = begun.empty() ? std::string() : begun.front()->get_name() + " ";
        return unknown.empty() ? usage(error.what(), command) : usage(unknown);
    }
    common.socket = absolute_path(common.socket.empty() ? default_socket() : common.socket, working_directory());
    for (const auto& [command, verb] : commands) {
        if (command->parsed()) {
            const auto status = verb->run(Context{common});
            return status ? *status : report(status.error());
        }
    }
    return usage("no command");
}

}  // namespace chaos::cli
