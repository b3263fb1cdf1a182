// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/net/calendar.hpp"

#include <cstdint>
#include <string_view>

namespace guest {

namespace {

constexpr std::string_view days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::string_view months[] = {"January", "February", "March",     "April",   "May",      "June",
                                       "July",    "August",   "September", "October", "November", "December"};
constexpr unsigned month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
constexpr std::uint64_t first_weekday = 4;  // 1970-01-01 was a Thursday

constexpr bool is_leap(unsigned year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

}  // namespace

void put_time(TextSink& out, Nanoseconds time) {
    const std::uint64_t seconds = time.value / ns_per_second;
    const std::uint64_t days_passed = seconds / 86'400;
    std::uint64_t day = days_passed;
    unsigned year = 1970;
    for (; day >= (is_leap(year) ? 366U : 365U); ++year) {
        day -= is_leap(year) ? 366 : 365;
    }
    unsigned month = 0;
    const auto length = [&] { return month_days[month] + (month == 1 && is_leap(year) ? 1 : 0); };
    for (; day >= length(); ++month) {
        day -= length();
    }
    format(out, "{}, {} {}, {} {:02}:{:02}:{:02}-UTC", days[(days_passed + first_weekday) % 7], months[month], day + 1,
           year, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
}

}  // namespace guest
