// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/daemon_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace chaos {
namespace {

using testing::HasSubstr;

std::string error(std::string_view text) {
    const auto config = parse_daemon_text(text, "/etc/chaos", "chaosd.json");
    EXPECT_FALSE(config.has_value()) << text;
    return config ? "" : config.error().message;
}

TEST(DaemonConfig, ExampleHoldsTheDefaults) {
    const auto example = load_daemon_file(CHAOS_SOURCE_DIR "/configs/chaosd.json");
    ASSERT_TRUE(example.has_value()) << example.error().message;
    const DaemonConfig defaults;
    EXPECT_EQ(example->socket, defaults.socket);
    EXPECT_EQ(example->state_dir, defaults.state_dir);
    EXPECT_EQ(example->hypervisor, defaults.hypervisor);
    EXPECT_EQ(example->log_level, defaults.log_level);
    EXPECT_EQ(example->log_file, defaults.log_file);
    EXPECT_EQ(example->max_domains, defaults.max_domains);
    EXPECT_EQ(example->shutdown_grace, defaults.shutdown_grace);
    EXPECT_EQ(example->limits, defaults.limits);
    ASSERT_EQ(example->pool.size(), defaults.pool.size());
    EXPECT_EQ(example->pool[0].memory, defaults.pool[0].memory);
    EXPECT_EQ(example->pool[0].vcpus, defaults.pool[0].vcpus);
    EXPECT_EQ(example->pool[0].floor, defaults.pool[0].floor);
    EXPECT_EQ(example->pool[0].ceiling, defaults.pool[0].ceiling);
}

TEST(DaemonConfig, ReadsEveryKey) {
    const auto config = parse_daemon_text(R"({
        "socket": "s.sock", "state_dir": "/var/lib/chaos", "hypervisor": "process", "log_level": "debug",
        "log_file": "log", "shutdown_grace_ms": 100,
        "pool": [{"memory": 8, "vcpus": 2, "floor": 1, "ceiling": 2}, {"memory": "16MiB"},
                 {"memory": "16MiB", "vifs": 1, "vbds": 2}],
        "limits": {"domains": 5, "connections": 6, "create_count": 7, "request": "8KiB", "replies": "9KiB",
                   "notifications": "64KiB", "events": 11}})",
                                          "/etc/chaos", "chaosd.json");
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(config->socket, "/etc/chaos/s.sock");
    EXPECT_EQ(config->state_dir, "/var/lib/chaos");
    EXPECT_EQ(config->log_file, "/etc/chaos/log");
    EXPECT_EQ(config->max_domains, 5U);
    EXPECT_EQ(config->shutdown_grace.count(), 100);
    EXPECT_EQ(config->limits, (Limits{6, 7, base::kib(8), base::kib(9), base::kib(64), 11}));
    ASSERT_EQ(config->pool.size(), 3U);
    EXPECT_EQ(config->pool[0].memory, base::mib(8));
    EXPECT_EQ(config->pool[1].floor, split::FlavourSettings{}.floor);
    EXPECT_EQ(config->pool[1].vifs, 0U);
    EXPECT_EQ(config->pool[2].vifs, 1U);
    EXPECT_EQ(config->pool[2].vbds, 2U);
}

TEST(DaemonConfig, NamesThePlaceOfEachMistake) {
    EXPECT_THAT(error("{\n \"log_level\": \"loud\"}"), HasSubstr("chaosd.json:2:15: log_level: got the string"));
    EXPECT_THAT(error(R"({"pol": []})"), HasSubstr("chaosd.json:1:2: pol: unknown key; did you mean \"pool\"?"));
    EXPECT_THAT(error(R"({"pool": [{"floor": 9, "ceiling": 2}]})"), HasSubstr("pool[0]: the floor is above"));
    EXPECT_THAT(error(R"({"pool": [{}, {}]})"), HasSubstr("pool[1]: a flavour of this memory"));
    EXPECT_THAT(error(R"({"pool": [{"vifs": 50, "vbds": 49}]})"), HasSubstr("pool[0]: there are more than 98"));
    EXPECT_THAT(error(R"({"pool": [{"memory": 0}]})"), HasSubstr("pool[0].memory: got the number 0"));
    EXPECT_THAT(error(R"({"limits": {"request": 5}})"), HasSubstr("limits.request: got the number 5; expected a size"));
    EXPECT_THAT(error(R"({"limits": {"connections": 0}})"), HasSubstr("from 1 to 65536"));
    EXPECT_THAT(error(R"({"socket": ""})"), HasSubstr("socket: got the string \"\"; expected a path"));
    EXPECT_THAT(error("nonsense"), HasSubstr("chaosd.json:1:"));
}

}  // namespace
}  // namespace chaos
