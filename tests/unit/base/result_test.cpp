// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace base {
namespace {

Result<int> number(bool good) {
    if (!good) {
        return fail(Code::not_found, "no number");
    }
    return 7;
}

Result<int> twice(bool good) {
    BASE_ASSIGN(const int n, number(good));
    return 2 * n;
}

Result<void> check(bool good) {
    BASE_TRY(number(good));
    return {};
}

TEST(Result, AssignBindsTheValueOrReturnsTheError) {
    EXPECT_EQ(*twice(true), 14);
    EXPECT_EQ(twice(false).error().message, "no number");
}

TEST(Result, TryPassesTheErrorOn) {
    EXPECT_TRUE(check(true));
    EXPECT_EQ(check(false).error().code, Code::not_found);
}

TEST(Result, AssignMovesWhatCannotBeCopied) {
    const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(3); };
    const auto use = [&]() -> Result<int> {
        BASE_ASSIGN(const auto pointer, make());
        return *pointer;
    };
    EXPECT_EQ(*use(), 3);
}

TEST(Error, InPutsThePlaceInFront) {
    EXPECT_EQ((Error{Code::io_error, 5, "broken"}.in("vm.json").message), "vm.json: broken");
}

TEST(SysError, PicksTheCodeAndNamesTheLimit) {
    EXPECT_EQ(sys_error(ENOMEM, "x").code, Code::no_memory);
    EXPECT_EQ(sys_error(EACCES, "x").code, Code::permission_denied);
    EXPECT_EQ(sys_error(ENOENT, "x").code, Code::not_found);
    EXPECT_EQ(sys_error(ENOSPC, "x").code, Code::limit_reached);
    const auto none_left = sys_error(EMFILE, "opening");
    EXPECT_EQ(none_left.code, Code::limit_reached);
    EXPECT_EQ(none_left.sys_errno, EMFILE);
    EXPECT_NE(none_left.message.find("RLIMIT_NOFILE"), std::string::npos);
}

TEST(CodeName, EveryCodeHasItsOwn) {
    for (int i = 0; i < static_cast<int>(Code::internal); ++i) {
        EXPECT_NE(code_name(static_cast<Code>(i)), "internal") << i;
    }
}

}  // namespace
}  // namespace base
