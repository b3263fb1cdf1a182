// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/registry.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "split-toolstack/names.hpp"
#include "tests/support/file_size_limit.hpp"
#include "tests/support/temp_dir.hpp"

namespace split {
namespace {

namespace fs = std::filesystem;
using test_support::TempDir;
using testing::HasSubstr;

Record full_record() {
    Record record;
    record.id = base::DomId{17};
    record.config.name = "web-1";
    record.config.kernel = "/a \"quoted\"\\path/\xc3\xbc.elf";
    record.config.ramdisk = "/r";
    record.config.cmdline = "tab\t line\n bell\x07 end";
    record.config.memory = base::mib(8);
    record.config.vcpus = 2;
    record.config.cpumap = UINT64_MAX;
    record.config.paused = true;
    record.config.console = false;
    record.config.console_log = base::kib(3);
    record.config.on_poweroff = EndAction::preserve;
    record.config.on_reboot = EndAction::destroy;
    record.config.on_crash = EndAction::restart;
    record.config.vifs = {{"10.0.0.1", "00:16:3e:00:00:01", "br0", "fd00::1", 1000, false}, {}};
    record.config.vbds = {{"/disk", "raw", "xvda", "ro"}};
    noxs::VifSettings vif;
    vif.mac = *noxs::parse_mac("00:16:3e:00:00:01");
    vif.mtu = 1400;
    vif.ipv4 = *noxs::parse_ipv4_net("10.0.0.1/8");
    vif.ipv4_gateway = *noxs::parse_ipv4("10.0.0.254");
    vif.ipv6 = *noxs::parse_ipv6("fd00::1");
    vif.ipv6_prefix = 64;
    vif.ipv6_gateway = *noxs::parse_ipv6("fd00::fe");
    vif.network = "br0";
    vif.check_source = false;
    vif.rate = UINT64_MAX;
    record.vifs = {{.id = 0, .leaving = true, .settings = vif}, {.id = 7, .settings = {}}};
    record.vbds = {{.id = 2, .leaving = true}};
    record.lane = base::EvtchnPort{64};
    record.generation = 6;
    record.settled = false;
    record.created_unix_ms = 1'700'000'000'123;
    record.wanted = Wanted::paused;
    record.from_pool = true;
    record.timing = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, UINT32_MAX};
    record.total_ns = 99;
    record.ready_ns = UINT64_MAX;
    noxs::wire::DeviceEntry device{};
    device.type = noxs::wire::DeviceType::console;
    device.id = 3;
    device.control_ref = 511;
    device.port = 2;
    device.control_gfn = 0x15;
    record.devices = {device};
    return record;
}

std::string rendered(const Record& record) {
    std::string out;
    render_record(record, out);
    return out;
}

TEST(Record, ComesBackWhole) {
    const Record before = full_record();
    const auto after = parse_record(rendered(before));
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(rendered(*after), rendered(before));
    EXPECT_EQ(after->config.cmdline, before.config.cmdline);
    EXPECT_EQ(after->config.kernel, before.config.kernel);
    EXPECT_EQ(after->config.cpumap, UINT64_MAX);
    EXPECT_EQ(after->devices.at(0).control_gfn, 0x15u);
    EXPECT_EQ(after->timing, before.timing);
    EXPECT_EQ(after->wanted, Wanted::paused);
    EXPECT_EQ(after->config.vbds.at(0).access, "ro");
    EXPECT_EQ(after->config.vifs, before.config.vifs);
    EXPECT_EQ(after->vifs.at(0).settings.ipv4, before.vifs.at(0).settings.ipv4);
    EXPECT_EQ(after->vifs.at(1).id, 7u);
    EXPECT_TRUE(after->vbds.at(0).leaving);
    EXPECT_EQ(after->lane, before.lane);
    EXPECT_EQ(after->generation, 6u);
    EXPECT_FALSE(after->settled);
}

TEST(Record, OfAGuestWithoutNetworkAndDisksIsShort) {
    Record record = full_record();
    record.config.vifs.clear();
    record.config.vbds.clear();
    record.vifs.clear();
    record.vbds.clear();
    record.lane.reset();
    EXPECT_EQ(rendered(record).find("lane"), std::string::npos);
    const auto after = parse_record(rendered(record));
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_FALSE(after->lane);
}

TEST(Record, OfADaemonWithoutHotPlugIsRead) {
    std::string text = rendered(full_record());
    const auto begin = text.find(",\"generation\"");
    text.erase(begin, text.find(',', text.find("\"settled\"")) - begin);
    const auto after = parse_record(text);
    ASSERT_TRUE(after) << after.error().message << text;
    EXPECT_TRUE(after->settled);
    EXPECT_GT(after->generation, 4u);
}

TEST(Record, NamesWhatIsMissingOfADevice) {
    Record record = full_record();
    record.vifs.pop_back();
    EXPECT_THAT(parse_record(rendered(record)).error().message, HasSubstr("as many as in the configuration"));
}

TEST(Record, KnowsTheKindOfGuest) {
    using hypervisor::GuestKind;
    Record record = full_record();
    EXPECT_EQ(rendered(record).find("kind"), std::string::npos) << "an earlier daemon reads native guests";
    for (const auto kind : {GuestKind::native, GuestKind::pvh, GuestKind::pv}) {
        record.kind = kind;
        EXPECT_EQ(parse_record(rendered(record)).value().kind, kind);
    }
    for (const auto pvh : {std::optional<bool>(), std::optional(true), std::optional(false)}) {
        record.config.pvh = pvh;
        EXPECT_EQ(parse_record(rendered(record)).value().config.pvh, pvh);
    }
    std::string wrong = rendered(record);
    wrong.replace(wrong.find("\"pv\""), 4, "\"hvm\"");
    EXPECT_THAT(parse_record(wrong).error().message, HasSubstr("kind: expected native, pvh or pv"));
}

TEST(Record, RejectsEveryMissingOrMisspeltMember) {
    const std::string whole = rendered(full_record());
    for (std::size_t at = whole.find("\":"); at != std::string::npos; at = whole.find("\":", at + 1)) {
        std::string broken = whole;
        broken[at - 1] = '#';
        EXPECT_FALSE(parse_record(broken)) << broken;
    }
}

TEST(Record, RejectsWrongValues) {
    const std::string whole = rendered(full_record());
    const auto with = [&whole](const std::string& old_text, const std::string& new_text) {
        std::string text = whole;
        const auto at = text.find(old_text);
        EXPECT_NE(at, std::string::npos) << old_text;
        text.replace(at, old_text.size(), new_text);
        const auto parsed = parse_record(text);
        return parsed ? std::string("accepted") : parsed.error().message;
    };
    EXPECT_THAT(with("\"version\":1", "\"version\":2"), HasSubstr("version 2, expected 1"));
    EXPECT_THAT(with("\"id\":17", "\"id\":-1"), HasSubstr("id"));
    EXPECT_THAT(with("\"id\":17", "\"id\":32752"), HasSubstr("id"));
    EXPECT_THAT(with("\"id\":17", "\"id\":1.5"), HasSubstr("id"));
    EXPECT_THAT(with("\"paused\":true", "\"paused\":1"), HasSubstr("paused"));
    EXPECT_THAT(with("\"web-1\"", "\"a/b\""), HasSubstr("name"));
    EXPECT_THAT(with("\"web-1\"", "\"\""), HasSubstr("name"));
    EXPECT_THAT(with("\"preserve\"", "\"explode\""), HasSubstr("on_poweroff"));
    EXPECT_THAT(with("\"wanted\":\"paused\"", "\"wanted\":\"x\""), HasSubstr("wanted"));
    EXPECT_THAT(with("[1,2,3", "[-1,2,3"), HasSubstr("timing_ns"));
    EXPECT_THAT(with("\"config\":{", "\"config\":[{},{"), HasSubstr("JSON"));
}

TEST(Record, RejectsEveryTruncation) {
    const std::string whole = rendered(full_record());
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(parse_record(std::string_view(whole).substr(0, size)));
    }
}

TEST(Registry, SavesReplacesAndRemoves) {
    const TempDir dir;
    auto registry = Registry::open(dir.file("deep/state"));
    ASSERT_TRUE(registry) << registry.error().message;
    Record record = full_record();
    ASSERT_TRUE(registry->save(record));
    record.config.name = "other";
    ASSERT_TRUE(registry->save(record));
    const auto loaded = registry->load();
    ASSERT_TRUE(loaded);
    ASSERT_EQ(loaded->size(), 1u);
    EXPECT_EQ(loaded->at(0).config.name, "other");
    EXPECT_TRUE(registry->remove(record.id));
    EXPECT_TRUE(registry->remove(record.id)) << "removing twice does no harm";
    EXPECT_TRUE(registry->load()->empty());
    EXPECT_EQ(fs::status(dir.file("deep/state/domains")).permissions(), fs::perms::owner_all);
}

TEST(Registry, MovesAsideWhatIsDamagedOrForeign) {
    const TempDir dir;
    {
        auto registry = Registry::open(dir.path());
        ASSERT_TRUE(registry && registry->save(full_record()));
    }
    const std::string good = rendered(full_record());
    dir.write("domains/5.json", good);
    dir.write("domains/6.json", good.substr(0, 40));
    dir.write("domains/7.json", std::string());
    dir.write("domains/notes.txt", std::string("hello"));
    dir.write("spare/8.tmp", good);
    fs::create_directory(dir.file("domains/9.json"));
    auto registry = Registry::open(dir.path());
    ASSERT_TRUE(registry);
    EXPECT_FALSE(fs::exists(dir.file("spare/8.tmp"))) << "a half-done write is cleaned up";
    const auto loaded = registry->load();
    ASSERT_TRUE(loaded);
    ASSERT_EQ(loaded->size(), 1u);
    EXPECT_EQ(loaded->at(0).id, base::DomId{17});
    for (const auto* name : {"5.json", "6.json", "7.json", "notes.txt", "9.json"}) {
        EXPECT_FALSE(fs::exists(dir.file(std::string("domains/") + name))) << name;
        EXPECT_TRUE(fs::exists(dir.file(std::string("domains/") + name + ".damaged"))) << name;
    }
    EXPECT_EQ(registry->load()->size(), 1u);
}

TEST(Registry, AFailedSaveLeavesTheEarlierRecord) {
    const TempDir dir;
    auto registry = Registry::open(dir.path());
    ASSERT_TRUE(registry && registry->save(full_record()));
    Record bigger = full_record();
    bigger.config.cmdline = std::string(8192, 'x');
    Result<void> saved;
    {
        const test_support::FileSizeLimit full_disk(4096);
        saved = registry->save(bigger);
    }
    ASSERT_FALSE(saved);
    EXPECT_EQ(registry->load()->at(0).config.cmdline, full_record().config.cmdline);
    EXPECT_EQ(std::distance(fs::directory_iterator(dir.file("domains")), {}), 1);
}

TEST(Registry, UsesOldFilesAgainAndLeavesNone) {
    const TempDir dir;
    const auto files = [&dir](const char* folder) {
        return std::distance(fs::directory_iterator(dir.file(folder)), {});
    };
    {
        auto registry = Registry::open(dir.path());
        ASSERT_TRUE(registry);
        registry->stock();
        EXPECT_EQ(files("spare"), 1);
        Record record = full_record();
        for (int i = 0; i < 10; ++i) {
            record.config.cmdline.append(static_cast<std::size_t>(10 - i) * 20, 'x');
            ASSERT_TRUE(registry->save(record));
            EXPECT_EQ(registry->load()->at(0).config.cmdline, record.config.cmdline);
            ASSERT_TRUE(registry->remove(record.id));
            EXPECT_TRUE(registry->load()->empty());
            EXPECT_EQ(files("domains"), 0);
            EXPECT_EQ(files("spare"), 1);
            record.config.cmdline.clear();
        }
    }
    EXPECT_EQ(files("domains"), 0);
    EXPECT_EQ(files("spare"), 0);
}

TEST(Registry, KeepsAFewOldFilesOnly) {
    const TempDir dir;
    auto registry = Registry::open(dir.path());
    ASSERT_TRUE(registry);
    Record record = full_record();
    for (std::uint16_t id = 1; id < SpareFiles::most + 20; ++id) {
        record.id = base::DomId{id};
        ASSERT_TRUE(registry->save(record));
    }
    for (std::uint16_t id = 1; id < SpareFiles::most + 20; ++id) {
        ASSERT_TRUE(registry->remove(base::DomId{id}));
        registry->stock();
    }
    EXPECT_LE(std::distance(fs::directory_iterator(dir.file("spare")), {}), SpareFiles::most);
}

TEST(Registry, NamesADirectoryThatCannotBe) {
    const TempDir dir;
    dir.write("file", std::string());
    const auto registry = Registry::open(dir.file("file/state"));
    ASSERT_FALSE(registry);
    EXPECT_THAT(registry.error().message, HasSubstr(dir.file("file")));
}

TEST(Names, AreChecked) {
    for (const auto* good : {"a", "web-1", "1a", "A.b_c", "-"}) {
        EXPECT_TRUE(check_name(good)) << good;
    }
    EXPECT_TRUE(check_name(std::string(63, 'x')));
    for (const auto& bad : {std::string(), std::string(64, 'x'), std::string("17"), std::string("a b"),
                            std::string("a/b"), std::string("\xc3\xbc"), std::string("a\0b", 3)}) {
        EXPECT_FALSE(check_name(bad)) << bad;
    }
}

TEST(Names, CleanTextIsUtf8WithoutNul) {
    EXPECT_TRUE(is_clean_text("plain, \xc3\xbc, \xe2\x82\xac, \xf0\x9f\x98\x80"));
    for (const auto& bad : {std::string("\0", 1), std::string("\xff"), std::string("\xc3"), std::string("\xc0\x80"),
                            std::string("\xe0\x80\x80"), std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"),
                            std::string("\xc3(")}) {
        EXPECT_FALSE(is_clean_text(bad));
    }
}

}  // namespace
}  // namespace split
