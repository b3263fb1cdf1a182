// SPDX-License-Identifier: Apache-2.0
#include "noxs/backends.hpp"

#include <gtest/gtest.h>

#include "noxs/backends/sysctl.hpp"
#include "tests/support/fake_domain.hpp"
#include "tests/unit/noxs/recording_listener.hpp"

namespace noxs {
namespace {

using test_support::FakeDomain;
using wire::DeviceType;

struct Backends : testing::Test {
    Result<std::unique_ptr<Backend>> make(DeviceType type, Origin origin = Origin::fresh) {
        wire::DeviceEntry entry{};
        entry.type = type;
        entry.port = 2;
        return make_backend({.domain = domain,
                             .entry = entry,
                             .control = *domain.map_pages(base::Gfn(FakeDomain::control_gfn), 1),
                             .listener = listener,
                             .console_log = "/nonexistent/7.log"},
                            origin);
    }

    FakeDomain domain;
    test_support::RecordingListener listener;
};

TEST_F(Backends, MakesEachSupportedType) {
    for (const DeviceType type : {DeviceType::sysctl, DeviceType::console}) {
        for (const Origin origin : {Origin::fresh, Origin::adopted}) {
            const auto made = make(type, origin);
            ASSERT_TRUE(made) << type_name(type);
            EXPECT_EQ((*made)->type(), type);
            EXPECT_EQ((*made)->port().value, 2U);
        }
    }
}

TEST_F(Backends, NamesWhatIsNotSupported) {
    const auto vif = make(DeviceType::vif);
    ASSERT_FALSE(vif);
    EXPECT_EQ(vif.error().code, base::Code::unsupported);
    EXPECT_EQ(vif.error().message, "the data plane serves vif devices");
    EXPECT_EQ(make(DeviceType::vbd).error().message, "the data plane serves vbd devices");
    EXPECT_EQ(make(static_cast<DeviceType>(99)).error().message, "no backend for devices of type 99");
    EXPECT_EQ(make(DeviceType::none).error().code, base::Code::unsupported);
}

TEST_F(Backends, CastsToTheRightClassOnly) {
    const auto sysctl = *make(DeviceType::sysctl);
    EXPECT_NE(backend_as<SysctlBackend>(sysctl.get()), nullptr);
    EXPECT_EQ(backend_as<ConsoleBackend>(sysctl.get()), nullptr);
    EXPECT_EQ(backend_as<ConsoleBackend>(nullptr), nullptr);
}

}  // namespace
}  // namespace noxs
