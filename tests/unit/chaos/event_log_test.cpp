// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/event_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chaos/daemon/metrics.hpp"

namespace chaos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Replayed {
    std::vector<std::uint64_t> numbers;
    bool missed;
};

Replayed replay(const EventLog& log, std::uint64_t since) {
    Replayed result{};
    result.missed = log.replay(since, [&](const EventLog::Entry& e) { result.numbers.push_back(e.sequence); });
    return result;
}

TEST(EventLog, NumbersWithoutGapsAndResumes) {
    EventLog log(3, 100);
    EXPECT_EQ(log.next(), 100U);
    log.add({split::EventKind::created, base::DomId{1}, "a", {}, 0}, 0);
    log.add({split::EventKind::ready, base::DomId{1}, "a", {}, 0}, 0);
    EXPECT_THAT(replay(log, 0).numbers, ElementsAre(100, 101));
    EXPECT_FALSE(replay(log, 0).missed);
    EXPECT_THAT(replay(log, 100).numbers, ElementsAre(101));
    EXPECT_FALSE(replay(log, 100).missed);
    EXPECT_THAT(replay(log, 101).numbers, ElementsAre());
    EXPECT_THAT(replay(log, 5000).numbers, ElementsAre());
}

TEST(EventLog, SaysWhenSomethingIsKeptNoMore) {
    EventLog log(3, 100);
    for (int i = 0; i < 5; ++i) {
        log.add({split::EventKind::created, base::DomId{1}, "a", {}, 0}, 0);
    }
    EXPECT_THAT(replay(log, 0).numbers, ElementsAre(102, 103, 104));
    EXPECT_TRUE(replay(log, 0).missed);
    EXPECT_TRUE(replay(log, 100).missed);
    EXPECT_FALSE(replay(log, 101).missed);
    EXPECT_TRUE(replay(log, 7).missed) << "numbers of an earlier daemon";
}

TEST(Metrics, AreInPrometheusFormat) {
    split::ToolstackMetrics toolstack;
    toolstack.created = 3;
    const auto boot = static_cast<std::size_t>(split::Phase::boot);
    toolstack.phase_us[boot][0] = 1;
    toolstack.phase_us[boot][3] = 2;
    toolstack.phase_us[boot][21] = 1;
    toolstack.phase_sum_us[boot] = 2'000'017;
    split::FlavourStatus flavour;
    flavour.ready = 5;
    const std::string text = metrics_text(toolstack, {.vifs = {{"tx_bytes", 9}}, .vbds = {}}, {flavour}, {}, {});
    EXPECT_THAT(text, HasSubstr("# TYPE chaos_domains_created_total counter\nchaos_domains_created_total 3\n"));
    EXPECT_THAT(text, HasSubstr("# TYPE chaos_vif_tx_bytes_total counter\nchaos_vif_tx_bytes_total 9\n"));
    EXPECT_THAT(text, HasSubstr("chaos_phase_seconds_bucket{phase=\"boot\",le=\"0.000001\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("chaos_phase_seconds_bucket{phase=\"boot\",le=\"0.000004\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("chaos_phase_seconds_bucket{phase=\"boot\",le=\"0.000008\"} 3\n"));
    EXPECT_THAT(text, HasSubstr("chaos_phase_seconds_bucket{phase=\"boot\",le=\"+Inf\"} 4\n"));
    EXPECT_THAT(text, HasSubstr("chaos_phase_seconds_sum{phase=\"boot\"} 2.000017\n"));
    EXPECT_THAT(text, HasSubstr("chaos_phase_seconds_count{phase=\"boot\"} 4\n"));
    EXPECT_THAT(text, HasSubstr("chaos_pool_ready{memory_bytes=\"4194304\",vcpus=\"1\",vifs=\"0\",vbds=\"0\"} 5\n"));
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
        const std::string_view line = std::string_view(text).substr(at, text.find('\n', at) - at);
        EXPECT_TRUE(line.starts_with("# ") || line.starts_with("chaos_")) << line;
    }
}

}  // namespace
}  // namespace chaos
