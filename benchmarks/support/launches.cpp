// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/support/launches.hpp"

#include "benchmarks/support/stats.hpp"

namespace bench {

base::Result<double> Launches::add(Client& client, const std::string& params, Pool pool) {
    const auto begin = Clock::now();
    BASE_ASSIGN(const std::string_view reply, client.call("domain.create", params));
    const auto end = Clock::now();
    const double id = number_in(reply.substr(reply.find("\"domains\"")), "id").value_or(0);
    const bool pooled = number_in(reply, "from_pool").value_or(0) != 0;
    from_pool += pooled ? 1 : 0;
    if (pooled == (pool == Pool::warm)) {
        client_us.push_back(micros(begin, end));
        const std::string_view phase_part = reply.substr(reply.find("\"timing\""));
        for (std::size_t i = 0; i < phases.size(); ++i) {
            phase_us[i].push_back(number_in(phase_part, phases[i]).value_or(0));
        }
    } else {
        ++other;
    }
    return id;
}

void Launches::describe(Report& report, const std::string& section) const {
    report.add_times(section, client_us);
    report.add(section, "from_pool", from_pool, "");
    report.add(section, "left_out", other, "");
    for (std::size_t i = 0; i < phases.size(); ++i) {
        const double p50 = median(phase_us[i]);
        if (p50 > 0) {
            report.add(section + ", phases", std::string(phases[i]) + "_p50", p50, "us");
            report.add(section + ", phases", std::string(phases[i]) + "_p99", percentile(phase_us[i], 0.99), "us");
        }
    }
}

}  // namespace bench
