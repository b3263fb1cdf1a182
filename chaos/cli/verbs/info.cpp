// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

constexpr std::size_t path_column = 24;

void pad(std::string& out, std::size_t written, std::size_t column) {
    out.append(written < column ? column - written : 1, ' ');
}

// The registers of a vCPU, three a line.
void registers_block(std::string& out, const std::string& path, const json::Value& registers) {
    constexpr std::size_t name_column = 7;
    constexpr std::size_t value_column = 20;
    constexpr std::size_t per_line = 3;
    for (std::size_t i = 0; i < registers.children.size(); ++i) {
        const json::Value& one = registers.children[i];
        if (i % per_line == 0) {
            out.append(i == 0 ? path : "");
            pad(out, i == 0 ? path.size() : 0, path_column);
        }
        const bool last = i % per_line == per_line - 1 || i + 1 == registers.children.size();
        const std::string text = printable(one.text);
        out.append(one.key);
        pad(out, one.key.size(), name_column);
        out.append(text);
        if (last) {
            out.append("\n");
        } else {
            pad(out, text.size(), value_column);
        }
    }
}

std::string device_line(const json::Value& device) {
    std::string text = text_of(device, "type") + " " + std::to_string(number_of(device, "id"));
    for (const char* key : {"mac", "ip", "ip6", "target", "vdev", "access"}) {
        if (const std::string value = text_of(device, key); !value.empty()) {
            text += " " + printable(value);
        }
    }
    if (const std::string bridge = text_of(device, "bridge"); !bridge.empty()) {
        text += " on " + printable(bridge);
    }
    text += ": backend " + text_of(device, "backend") + ", frontend " + text_of(device, "frontend");
    text += flag_of(device, "leaving") ? ", being detached" : "";
    return text;
}

// Of each device a line, why it is not served, and a line of counters.
void devices_block(std::string& out, const std::string& path, const json::Value& devices) {
    const auto indented = [&out](const std::string& what) {
        pad(out, 0, path_column);
        out.append("  ").append(what).append("\n");
    };
    for (const json::Value& device : devices.children) {
        const bool first = &device == &devices.children.front();
        out.append(first ? path : "");
        pad(out, first ? path.size() : 0, path_column);
        out.append(device_line(device)).append("\n");
        for (const char* why : {"stopped", "waits"}) {
            if (const std::string text = text_of(device, why); !text.empty()) {
                indented(std::string(why) + ": " + printable(text));
            }
        }
        std::string counters;
        for (const json::Value& counter : object_of(device, "counters").children) {
            counters.append(counters.empty() ? "" : ", ").append(counter.key).append(" ");
            json::append_value(counters, counter);
        }
        if (!counters.empty()) {
            indented(counters);
        }
    }
}

// "timing.phases.boot  12.5": a reply as lines, whatever it holds.
void flatten(std::string& out, const std::string& path, const json::Value& value) {
    const bool object = value.is(json::Type::object);
    if (object && path == "ended.registers") {
        registers_block(out, path, value);
        return;
    }
    if (path == "devices" && !value.children.empty()) {
        devices_block(out, path, value);
        return;
    }
    if (object || (value.is(json::Type::array) && !value.children.empty())) {
        for (std::size_t i = 0; i < value.children.size(); ++i) {
            const json::Value& child = value.children[i];
            const std::string key = object ? child.key : std::to_string(i);
            flatten(out, path.empty() ? key : path + "." + key, child);
        }
        return;
    }
    std::string text;
    json::append_value(text, value);
    out.append(path);
    pad(out, path.size(), path_column);
    out.append(value.is(json::Type::string) ? printable(value.text) : text).append("\n");
}

void line(std::string& out, std::string_view what, std::string_view text) {
    constexpr std::size_t column = 12;
    out.append(what);
    pad(out, what.size(), column);
    out.append(printable(text)).append("\n");
}

std::string memory_text(const json::Value& info, const json::Value& driver) {
    const json::Value& memory = object_of(info, "memory");
    std::string text = "a domain has " + bytes_text(number_of(driver, "min_memory_bytes")) + " to " +
                       bytes_text(number_of(driver, "max_memory_bytes"));
    if (memory.is(json::Type::object)) {
        text = bytes_text(number_of(memory, "free_bytes")) + " free of " +
               bytes_text(number_of(memory, "total_bytes")) + "; " + text;
    }
    return text;
}

std::string domains_text(const json::Value& info, const json::Value& driver) {
    const auto most = number_of(driver, "max_domains");
    std::string text = std::to_string(number_of(info, "domains")) + " exist";
    return most == 0 ? text : text + "; at most " + std::to_string(most) + ": " + text_of(driver, "max_domains_limit");
}

// The daemon, its hypervisor, and last what is missing, with the fix.
std::string daemon_text(const json::Value& info) {
    const json::Value& driver = object_of(info, "driver");
    std::string out;
    line(out, "daemon",
         "chaosd " + text_of(info, "version") + ", API " + std::to_string(number_of(info, "api")) + ", pid " +
             std::to_string(number_of(info, "pid")) + ", up " + duration_text(number_of(info, "uptime_ms")));
    line(out, "socket", text_of(info, "socket"));
    line(out, "state", text_of(info, "state_dir"));
    line(out, "clients", std::to_string(number_of(info, "connections")));
    line(out, "hypervisor", text_of(driver, "name") + ": " + text_of(driver, "version"));
    line(out, "isolation", text_of(driver, "isolation"));
    line(out, "memory", memory_text(info, driver));
    line(out, "domains", domains_text(info, driver));
    line(out, "vcpus", "at most " + std::to_string(number_of(driver, "max_vcpus")) + " of a domain");
    line(out, "kernels",
         flag_of(driver, "foreign_kernels") ? "noxs images; kernels for Xen (PVH, PV) and Linux (bzImage)"
                                            : "noxs images");
    for (const json::Value& note : list_of(driver, "notes")) {
        line(out, "missing", note.text);
    }
    for (const json::Value& skipped : list_of(info, "skipped_drivers")) {
        line(out, "not used", text_of(skipped, "name") + ": " + text_of(skipped, "why"));
    }
    return out;
}

class Info final : public Verb {
 public:
    const char* name() const override { return "info"; }
    const char* help() const override { return "Show all about a domain; without one, about the daemon and this host"; }
    void declare(Arguments& arguments) override { arguments.positional("domain", target_, "Name or id", false); }
    base::Result<int> run(const Context& context) override {
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply, target_.empty() ? client.call("daemon.info", "{}")
                                                             : client.call("domain.get", target_params(target_)));
        if (context.common.json) {
            print_json(reply);
            return exit_good;
        }
        if (target_.empty()) {
            print(daemon_text(reply));
            return exit_good;
        }
        std::string text;
        flatten(text, "", reply);
        print(text);
        return exit_good;
    }

 private:
    std::string target_;
};

}  // namespace

std::unique_ptr<Verb> make_info() {
    return std::make_unique<Info>();
}

}  // namespace chaos::cli
