// SPDX-License-Identifier: Apache-2.0
// What a verb of the command line is. A new one: a file in verbs/ and a line in verbs.cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "chaos/cli/client.hpp"

namespace chaos::cli {

/// Exit statuses (docs/api.md).
enum Exit : int { exit_good = 0, exit_failed = 1, exit_usage = 2, exit_no_domain = 3 };

/// Options of every verb.
struct Common {
    std::string socket;
    bool json{false};
    bool no_autostart{false};
};

/// Declares a verb's arguments; implemented over CLI11 in one file.
class Arguments {
 public:
    virtual ~Arguments() = default;
    virtual void flag(const char* names, bool& into, const char* help) = 0;
    virtual void option(const char* names, std::string& into, const char* value, const char* help) = 0;
    virtual void option(const char* names, unsigned& into, const char* value, const char* help) = 0;
    virtual void option(const char* names, double& into, const char* value, const char* help) = 0;
    virtual void positional(const char* name, std::string& into, const char* help, bool required = true) = 0;
    virtual void rest(const char* name, std::vector<std::string>& into, const char* help) = 0;
};

/// What a verb works with.
struct Context {
    const Common& common;

    /// A connection to the daemon, started if need be.
    base::Result<Client> connect() const;
};

class Verb {
 public:
    virtual ~Verb() = default;
    virtual const char* name() const = 0;
    virtual const char* help() const = 0;
    virtual void declare(Arguments& arguments) = 0;
    /// The exit status; an error is printed by the caller.
    virtual base::Result<int> run(const Context& context) = 0;
};

/// All of them, in the order of --help.
std::vector<std::unique_ptr<Verb>> all_verbs();

/// Reads the command line and runs what it says.
int run_command_line(int argc, char** argv);

/// Prints "chaos: ..." and a hint where there is one; returns the exit status for it.
int report(const base::Error& error);

}  // namespace chaos::cli
