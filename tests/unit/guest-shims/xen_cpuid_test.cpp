// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/platform/xen/cpuid.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string_view>

namespace guest::xen {
namespace {

CpuidResult signature(std::string_view text) {
    CpuidResult result{};
    std::memcpy(&result.ebx, text.data(), 4);
    std::memcpy(&result.ecx, text.data() + 4, 4);
    std::memcpy(&result.edx, text.data() + 8, 4);
    return result;
}

TEST(XenCpuid, FindsXenAtOnce) {
    unsigned calls = 0;
    const auto cpuid = [&](std::uint32_t) {
        ++calls;
        return signature("XenVMMXenVMM");
    };
    EXPECT_EQ(find_xen_leaf(cpuid), 0x40000000U);
    EXPECT_EQ(calls, 1U);
}

TEST(XenCpuid, FindsXenBehindAnotherInterface) {
    const auto cpuid = [](std::uint32_t leaf) {
        return signature(leaf == 0x40000000 ? "Microsoft Hv" : leaf == 0x40000100 ? "XenVMMXenVMM" : "............");
    };
    EXPECT_EQ(find_xen_leaf(cpuid), 0x40000100U);
}

TEST(XenCpuid, GivesUpWhereThereIsNone) {
    unsigned calls = 0;
    const auto cpuid = [&](std::uint32_t leaf) {
        EXPECT_EQ(leaf, 0x40000000 + 0x100 * calls++);
        return signature("TCGTCGTCGTCG");
    };
    EXPECT_EQ(find_xen_leaf(cpuid), 0U);
    EXPECT_EQ(calls, 256U);
}

TEST(XenCpuid, WantsTheWholeSignature) {
    EXPECT_EQ(find_xen_leaf([](std::uint32_t) { return signature("XenVMMXenVM!"); }), 0U);
    EXPECT_EQ(find_xen_leaf([](std::uint32_t) { return signature("XenVMM.enVMM"); }), 0U);
    EXPECT_EQ(find_xen_leaf([](std::uint32_t) { return signature("xenVMMXenVMM"); }), 0U);
}

}  // namespace
}  // namespace guest::xen
