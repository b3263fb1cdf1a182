// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/kvm/timeout.hpp"

#include <gtest/gtest.h>

namespace guest::kvm {
namespace {

using hypervisor::kvm::abi::wait_forever;

TEST(KvmTimeout, NoneIsForEver) {
    EXPECT_EQ(wait_value(std::nullopt), wait_forever);
}

TEST(KvmTimeout, IsNeverShorterThanAskedFor) {
    EXPECT_EQ(wait_value(Nanoseconds{0}), 0U);
    EXPECT_EQ(wait_value(Nanoseconds{1}), 1U);
    EXPECT_EQ(wait_value(Nanoseconds{1000}), 1U);
    EXPECT_EQ(wait_value(Nanoseconds{1001}), 2U);
}

TEST(KvmTimeout, ALongOneIsNotForEver) {
    constexpr std::uint64_t most = std::uint64_t{wait_forever} - 1;
    EXPECT_EQ(wait_value(Nanoseconds{most * 1000}), most);
    EXPECT_EQ(wait_value(Nanoseconds{most * 1000 + 1}), most);
    EXPECT_EQ(wait_value(Nanoseconds{UINT64_MAX}), most);
}

}  // namespace
}  // namespace guest::kvm
