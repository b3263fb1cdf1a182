// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <string_view>

#include "chaos/cli/output.hpp"
#include "chaos/cli/verbs/verbs.hpp"
#include "chaos/config/file.hpp"
#include "chaos/config/vm_device_fields.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::cli {

namespace {

std::unexpected<base::Error> wrong(std::string what) {
    return base::fail(base::Code::invalid_argument, "attach: " + std::move(what));
}

class Attach final : public Verb {
 public:
    const char* name() const override { return "attach"; }
    const char* help() const override { return "Give a running guest a network interface or a disk"; }
    void declare(Arguments& arguments) override {
        arguments.positional("domain", target_, "Name or id");
        arguments.positional("type", type_, "vif or vbd");
        arguments.rest("key=value", rest_,
                       "vif: ip, mac, bridge, ip6, rate, spoof_check; vbd: the disk image, access, vdev, type");
    }
    base::Result<int> run(const Context& context) override {
        BASE_ASSIGN(const std::string device, device_json());
        BASE_ASSIGN(Client client, context.connect());
        BASE_ASSIGN(const json::Value reply, client.call("domain.attach", target_params(target_, device)));
        if (context.common.json) {
            print_json(reply);
        } else {
            const json::Value& made = object_of(reply, "device");
            print(target_ + ": attached " + text_of(made, "type") + " " + std::to_string(number_of(made, "id")) + "\n");
        }
        return exit_good;
    }

 private:
    /// "base":"/here","vbd":{"target":"/disk","access":"ro"}
    base::Result<std::string> device_json() const {
        if (type_ != "vif" && type_ != "vbd") {
            return wrong("got '" + type_ + "'; expected vif or vbd");
        }
        std::string text = "\"base\":";
        json::append_string(text, working_directory());
        text += ",\"" + type_ + "\":";
        json::Writer writer(text);
        writer.begin_object();
        for (std::size_t i = 0; i < rest_.size(); ++i) {
            BASE_TRY(add(writer, rest_[i], type_ == "vbd" && i == 0));
        }
        writer.end_object();
        return text;
    }

    base::Result<void> add(json::Writer& writer, std::string_view argument, bool may_be_target) const {
        const auto keys = type_ == "vif" ? vif_keys() : vbd_keys();
        const std::size_t equals = argument.find('=');
        const std::string_view key = argument.substr(0, equals);
        const bool known = equals != std::string_view::npos && std::ranges::find(keys, key) != keys.end();
        if (!known && may_be_target) {
            writer.member("target", argument);
            return {};
        }
        if (!known) {
            std::string all;
            for (const std::string_view one : keys) {
                all.append(all.empty() ? "" : ", ").append(one);
            }
            return wrong("got '" + std::string(argument) + "'; expected key=value with one of " + all);
        }
        const std::string prefix(argument.substr(0, equals + 1));
        if (std::ranges::any_of(rest_, [&](const std::string& other) {
                return other.starts_with(prefix) && other.data() != argument.data();
            })) {
            return wrong("'" + std::string(key) + "' is given twice");
        }
        const std::string_view value = argument.substr(equals + 1);
        const bool bare = value == "true" || value == "false" ||
                          (!value.empty() && std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; }));
        bare ? writer.key(key).raw(value) : writer.member(key, value);
        return {};
    }

    std::string target_, type_;
    std::vector<std::string> rest_;
};

class Detach final : public Verb {
 public:
    const char* name() const override { return "detach"; }
    const char* help() const override { return "Take a network interface or a disk from a running guest"; }
    void declare(Arguments& arguments) override {
        arguments.positional("domain", target_, "Name or id");
        arguments.positional("type", type_, "vif or vbd");
        arguments.positional("device", device_, "Its id; of a vif the MAC, of a vbd the vdev");
        arguments.option("--timeout", timeout_, "SECONDS", "Give the guest so long to let go of it; default 5");
        arguments.flag("--force", force_, "Do not ask the guest");
    }
    base::Result<int> run(const Context& context) override {
        BASE_ASSIGN(Client client, context.connect());
        std::string more = "\"type\":";
        json::append_string(more, type_);
        more += ",\"device\":";
        json::append_string(more, device_);
        more +=
            ",\"timeout_ms\":" + std::to_string(force_ ? 0 : static_cast<std::uint64_t>(std::ceil(timeout_ * 1000)));
        BASE_ASSIGN(const json::Value reply, client.call("domain.detach", target_params(target_, more)));
        if (context.common.json) {
            print_json(reply);
        } else {
            const json::Value& gone = object_of(reply, "device");
            print(target_ + ": detached " + text_of(gone, "type") + " " + std::to_string(number_of(gone, "id")) +
                  (!flag_of(reply, "forced") ? "\n"
                   : force_                  ? " by force\n"
                                             : " by force: the guest did not let go of it\n"));
        }
        return exit_good;
    }

 private:
    std::string target_, type_, device_;
    double timeout_{5};
    bool force_{false};
};

}  // namespace

std::unique_ptr<Verb> make_attach() {
    return std::make_unique<Attach>();
}
std::unique_ptr<Verb> make_detach() {
    return std::make_unique<Detach>();
}

}  // namespace chaos::cli
