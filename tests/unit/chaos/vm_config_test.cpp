// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/vm_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "chaos/config/schema.hpp"
#include "chaos/config/units.hpp"
#include "chaos/json/parse.hpp"

namespace chaos {
namespace {

using testing::HasSubstr;

// A folder with a kernel in it, gone after the test.
class VmConfig : public testing::Test {
 protected:
    VmConfig() {
        char pattern[] = "/tmp/chaos-config-XXXXXX";
        folder_ = ::mkdtemp(pattern);
        write("k.elf", "image");
    }
    ~VmConfig() override {
        for (const std::string& file : files_) {
            ::unlink(file.c_str());
        }
        ::rmdir(folder_.c_str());
    }
    std::string write(const std::string& name, const std::string& text) {
        files_.push_back(folder_ + "/" + name);
        std::ofstream(files_.back()) << text;
        return files_.back();
    }
    Result<split::VmConfig> parse(const std::string& text, std::vector<std::string> overrides = {}) {
        overrides_ = std::move(overrides);
        return parse_vm_text(text, folder_, VmSource{"vm.json", overrides_, folder_});
    }
    split::VmConfig good(const std::string& text, std::vector<std::string> overrides = {}) {
        auto config = parse(text, std::move(overrides));
        EXPECT_TRUE(config.has_value()) << text << ": " << (config ? "" : config.error().message);
        return config ? *config : split::VmConfig{};
    }
    // `member` in place of X in {"kernel":"k.elf",X}.
    split::VmConfig with(const std::string& member) { return good("{\"kernel\":\"k.elf\"," + member + "}"); }
    std::string error(const std::string& text, std::vector<std::string> overrides = {}) {
        const auto config = parse(text, std::move(overrides));
        EXPECT_FALSE(config.has_value()) << text;
        return config ? "" : config.error().message;
    }
    // The message for `member` on the second line, behind its position.
    std::string error_with(const std::string& member) { return error("{\"kernel\":\"k.elf\",\n" + member + "}"); }

    std::string folder_;
    std::vector<std::string> files_;
    std::vector<std::string> overrides_;
};

TEST_F(VmConfig, ReadsEveryKey) {
    write("rd", "ramdisk");
    const auto config = good(R"({
        // LightVM's keys
        "name": "web", "kernel": "k.elf", "memory": 16, "vcpus": {"count": 2, "cpumap": [0, 3]},
        "ramdisk": "rd", "cmdline": "a=b", "address_size": 64, "paused": true,
        "xen": {"pvh": true, "dev_method": "noxs"},
        "vifs": [{"ip": "10.0.0.2/24", "mac": "00:16:3e:00:00:01", "bridge": "xenbr0"}],
        "vbds": [{"target": "rd", "type": "file", "vdev": "xvda", "access": "rw"}],
        /* ours */
        "console": {"log": "64KiB"}, "on_poweroff": "preserve", "on_reboot": "destroy", "on_crash": "restart"
    })");
    EXPECT_EQ(config.name, "web");
    EXPECT_EQ(config.kernel, folder_ + "/k.elf");
    EXPECT_EQ(config.ramdisk, folder_ + "/rd");
    EXPECT_EQ(config.memory, base::mib(16));
    EXPECT_EQ(config.vcpus, 2U);
    EXPECT_EQ(config.cpumap, 0b1001U);
    EXPECT_EQ(config.cmdline, "a=b");
    EXPECT_EQ(config.pvh, true);
    EXPECT_TRUE(config.paused);
    EXPECT_EQ(config.console_log, base::kib(64));
    EXPECT_EQ(config.on_poweroff, split::EndAction::preserve);
    EXPECT_EQ(config.on_reboot, split::EndAction::destroy);
    EXPECT_EQ(config.on_crash, split::EndAction::restart);
    ASSERT_EQ(config.vifs.size(), 1U);
    EXPECT_EQ(config.vifs[0].mac, "00:16:3e:00:00:01");
    ASSERT_EQ(config.vbds.size(), 1U);
    EXPECT_EQ(config.vbds[0].target, folder_ + "/rd");
}

TEST_F(VmConfig, ReadsNetworkAndDisks) {
    const auto config = with(R"("vifs": [{"mac": "02:00:00:00:00:AA", "ip6": "fd00::2/64", "rate": "100Mbit",
                                          "spoof_check": false}, {"ip": "10.0.0.2", "bridge": "a"},
                                         {"ip": "10.0.0.2", "bridge": "b"}],
                                "vbds": [{"target": "k.elf"}, {"target": "b.img", "vdev": "xvda", "access": "r"},
                                         {"target": "c.img", "type": "file"}])");
    ASSERT_EQ(config.vifs.size(), 3U);
    EXPECT_EQ(config.vifs[0].mac, "02:00:00:00:00:aa");
    EXPECT_EQ(config.vifs[0].ip6, "fd00::2/64");
    EXPECT_EQ(config.vifs[0].rate, 100'000'000U);
    EXPECT_FALSE(config.vifs[0].check_source);
    EXPECT_TRUE(config.vifs[1].check_source);
    ASSERT_EQ(config.vbds.size(), 3U);
    EXPECT_EQ(config.vbds[0].vdev, "xvdb") << "the first name that nobody asked for";
    EXPECT_EQ(config.vbds[2].vdev, "xvdc");
    EXPECT_FALSE(config.vbds[0].read_only());
    EXPECT_TRUE(config.vbds[1].read_only());
}

TEST_F(VmConfig, LeavesDisksThatAreNotThereToThoseWhoOpenThem) {
    EXPECT_EQ(with(R"("vbds": [{"target": "nowhere.img"}])").vbds[0].target, folder_ + "/nowhere.img");
}

TEST_F(VmConfig, HasTheDefaultsOfTheStruct) {
    const auto config = good(R"({"kernel": "k.elf"})");
    const split::VmConfig defaults;
    EXPECT_EQ(config.memory, defaults.memory);
    EXPECT_EQ(config.vcpus, defaults.vcpus);
    EXPECT_EQ(config.console, defaults.console);
    EXPECT_EQ(config.console_log, defaults.console_log);
    EXPECT_TRUE(config.name.empty());
    EXPECT_FALSE(config.pvh.has_value());
}

TEST_F(VmConfig, ReadsTheOtherForms) {
    EXPECT_EQ(with(R"("memory": "512KiB")").memory, base::kib(512));
    EXPECT_EQ(with(R"("memory": "1 GiB")").memory, base::mib(1024));
    EXPECT_EQ(with(R"("memory": 4.0)").memory, base::mib(4));
    EXPECT_EQ(with(R"("vcpus": 3)").vcpus, 3U);
    EXPECT_EQ(with(R"("vcpus": {"cpumap": "0-3,5"})").cpumap, 0b101111U);
    EXPECT_FALSE(with(R"("console": false)").console);
    EXPECT_TRUE(with(R"("console": true)").console);
}

TEST_F(VmConfig, NamesFileLineColumnAndPathOfEachMistake) {
    const std::pair<const char*, const char*> mistakes[] = {
        {R"("name": 7)", "vm.json:2:9: name: got the number 7; expected a string"},
        {R"("name": "")", "vm.json:2:9: name: the name is empty; expected"},
        {R"("name": "123")", "vm.json:2:9: name: a name of digits alone"},
        {R"("name": "a b")", "vm.json:2:9: name: a character"},
        {R"("memory": "lots")", "vm.json:2:11: memory: got the string \"lots\"; expected a size as \"8MiB\""},
        {R"("memory": -4)", "vm.json:2:11: memory: got the number -4; expected"},
        {R"("memory": 0)", "vm.json:2:11: memory: got the number 0; expected"},
        {R"("memory": 1048577)", "vm.json:2:11: memory: got the number 1048577; expected"},
        {R"("memory": 18446744073709551615)", "vm.json:2:11: memory: got the number 18446744073709551615"},
        {R"("memory": "99999999999999999999MiB")", "vm.json:2:11: memory: got the string"},
        {R"("memory": "65KiB")", "a multiple of 4KiB"},
        {R"("memory": null)", "vm.json:2:11: memory: got null"},
        {R"("vcpus": 0)", "vm.json:2:10: vcpus: got the number 0; expected a whole number from 1 to 64"},
        {R"("vcpus": "two")", "vm.json:2:10: vcpus: got the string"},
        {R"("vcpus": {"count": 1.5})", "vm.json:2:20: vcpus.count: got the number 1.5"},
        {R"("vcpus": {"cpumap": "3-1"})", "vm.json:2:21: vcpus.cpumap: got the string"},
        {R"("vcpus": {"cpumap": [1, 64]})", "vm.json:2:25: vcpus.cpumap[1]: got the number 64"},
        {R"("vcpus": {"cpumap": []})", "vm.json:2:21: vcpus.cpumap: got an array"},
        {R"("cmdline": ["x"])", "vm.json:2:12: cmdline: got an array; expected a string"},
        {R"("cmdline": "a\u0000b")", "vm.json:2:12: cmdline: a NUL character"},
        {R"("address_size": 16)", "vm.json:2:17: address_size: got the number 16; expected 32 or 64"},
        {R"("paused": "yes")", "vm.json:2:11: paused: got the string \"yes\"; expected true or false"},
        {R"("xen": {"pvh": 1})", "vm.json:2:16: xen.pvh: got the number 1; expected true or false"},
        {R"("xen": {"dev_method": "xenstore"})", "vm.json:2:23: xen.dev_method: there is no XenStore"},
        {R"("xen": {"dev_method": "magic"})", "vm.json:2:23: xen.dev_method: got the string \"magic\""},
        {R"("xen": true)", "vm.json:2:8: xen: got true; expected an object"},
        {R"("console": {"log": "1KiB"})", "vm.json:2:20: console.log: got the string \"1KiB\"; expected a size"},
        {R"("console": 5)", "vm.json:2:12: console: got the number 5; expected true, false"},
        {R"("on_crash": "explode")", "expected \"destroy\", \"restart\" or \"preserve\""},
        {R"("vifs": {})", "vm.json:2:9: vifs: got an object; expected an array"},
        {R"("vifs": [{}, {"mac": "1:2"}])", "vm.json:2:22: vifs[1].mac: got the string \"1:2\"; expected a MAC"},
        {R"("vifs": [{"ip": "10.0.0.256"}])", "vifs[0].ip: got"},
        {R"("vifs": [{"bridge": "a-name-that-is-too-long"}])", "vifs[0].bridge: got"},
        {R"("vifs": [{"mac": "01:00:00:00:00:01"}])", "vifs[0].mac: got the string \"01:00:00:00:00:01\"; expected"},
        {R"("vifs": [{"ip6": "fd00::g"}])", "vifs[0].ip6: got"},
        {R"("vifs": [{"rate": "fast"}])", "vifs[0].rate: got the string \"fast\"; expected a rate as \"100Mbit\""},
        {R"("vifs": [{"rate": 10}])", "vifs[0].rate: got the number 10"},
        {R"("vifs": [{"spoof_check": 1}])", "vifs[0].spoof_check: got the number 1"},
        {R"("vifs": [{"mac": "02:00:00:00:00:aa"}, {"mac": "02:00:00:00:00:AA"}])",
         "vm.json:2:48: vifs[1].mac: '02:00:00:00:00:aa' is that of vifs[0] too"},
        {R"("vifs": [{"ip": "10.0.0.2/24"}, {}, {"ip": "10.0.0.2"}])", "vifs[2].ip: '10.0.0.2' is that of vifs[0] too"},
        {R"("vbds": [{"target": "k.elf", "type": "phy"}])", "/k.elf' is no block device"},
        {R"("vbds": [{"target": "k.elf", "vdev": "xvdb"}, {"target": "k.elf", "vdev": "xvdb"}])",
         "vbds[1].vdev: 'xvdb' is that of vbds[0] too"},
        {R"("vbds": [{"target": "/a", "access": "ro"}, {"target": "/a"}])",
         "vbds[1].target: '/a' is that of vbds[0] too; only readers can share a disk"},
        {R"("vbds": [{"vdev": "xvda"}])", "vm.json:2:10: vbds[0]: the key \"target\" is missing"},
        {R"("vbds": [{"target": "k.elf", "access": "x"}])", "vbds[0].access: got the string \"x\""},
        {R"("ramdisk": "nowhere")", "vm.json:2:12: ramdisk: cannot read '"},
    };
    for (const auto& [member, expected] : mistakes) {
        EXPECT_THAT(error_with(member), HasSubstr(expected));
    }
}

TEST_F(VmConfig, PointsAtTheKernelThatIsMissing) {
    EXPECT_THAT(error("{\n \"kernel\": \"no.elf\"}"), HasSubstr("vm.json:2:12: kernel: cannot read '" + folder_));
    EXPECT_THAT(error(R"({"kernel": "."})"), HasSubstr("a directory"));
    EXPECT_THAT(error(R"({"kernel": ""})"), HasSubstr("the path is empty"));
    EXPECT_THAT(error("{}"), HasSubstr("vm.json:1:1: the key \"kernel\" is missing"));
}

TEST_F(VmConfig, RefusesUnknownAndRepeatedKeys) {
    EXPECT_EQ(error_with(R"("memry": 8)"), "vm.json:2:1: memry: unknown key; did you mean \"memory\"?");
    EXPECT_THAT(error_with(R"("zzzzzz": 8)"), HasSubstr("unknown key; expected one of name, kernel"));
    EXPECT_THAT(error_with(R"("vcpus": {"cout": 1})"),
                HasSubstr("2:11: vcpus.cout: unknown key; did you mean \"count\""));
    EXPECT_THAT(error_with(R"("kernel": "k.elf")"), HasSubstr("vm.json:2:1: the key \"kernel\" is repeated"));
    EXPECT_THAT(error_with(R"("xen": {"pvh": true, "pvh": true})"), HasSubstr("vm.json:2:22: the key \"pvh\""));
}

TEST_F(VmConfig, RefusesWhatIsNoDocument) {
    EXPECT_THAT(error(""), HasSubstr("vm.json:1:1: the document is empty"));
    EXPECT_THAT(error("[]"), HasSubstr("vm.json:1:1: got an array; expected an object"));
    EXPECT_THAT(error("{\"kernel\": \n oops}"), HasSubstr("vm.json:2:2: syntax error"));
    EXPECT_THAT(error("{\"kernel\": \"k.elf\""), HasSubstr("unexpected end of input"));
    EXPECT_THAT(error("{\"name\": \"\xff\"}"), HasSubstr("UTF-8"));
    EXPECT_THAT(error(std::string(100, '[')), HasSubstr("nested too deep"));
}

TEST_F(VmConfig, RefusesFilesThatAreNone) {
    const auto code_of = [](const std::string& path) {
        const auto config = load_vm_file(path, {});
        return config ? base::Code::internal : config.error().code;
    };
    EXPECT_EQ(code_of(folder_ + "/nothing.json"), base::Code::not_found);
    EXPECT_EQ(code_of(folder_), base::Code::invalid_config);
    EXPECT_EQ(code_of("/dev/null"), base::Code::invalid_config);
    EXPECT_EQ(code_of(write("big.json", std::string((1 << 20) + 1, ' '))), base::Code::invalid_config);
    const std::string fifo = folder_ + "/fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    files_.push_back(fifo);
    EXPECT_EQ(code_of(fifo), base::Code::invalid_config);
}

TEST_F(VmConfig, ResolvesPathsAgainstTheFile) {
    const auto config = load_vm_file(write("vm.json", R"({"kernel": "k.elf"})"), {});
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(config->kernel, folder_ + "/k.elf");
}

TEST_F(VmConfig, OverridesWhatTheFileSays) {
    const auto config = good(R"({"kernel": "gone.elf", "memory": 4, "vcpus": 1, "console": true})",
                             {"kernel=k.elf", "name=web", "memory=8MiB", "vcpus.count=2", "console.log=32KiB",
                              "cmdline=a=b c", "paused=true", R"(vifs=[{"ip":"10.0.0.1"}])", "vifs.0.bridge=br0"});
    EXPECT_EQ(config.kernel, folder_ + "/k.elf");
    EXPECT_EQ(config.name, "web");
    EXPECT_EQ(config.memory, base::mib(8));
    EXPECT_EQ(config.vcpus, 2U);
    EXPECT_EQ(config.console_log, base::kib(32));
    EXPECT_EQ(config.cmdline, "a=b c");
    EXPECT_TRUE(config.paused);
    ASSERT_EQ(config.vifs.size(), 1U);
    EXPECT_EQ(config.vifs[0].bridge, "br0");
}

TEST_F(VmConfig, OverridesMakeLists) {
    const auto config = good(R"({"kernel": "k.elf", "vbds": [{"target": "a"}]})",
                             {"vifs.0.ip=10.0.0.1", "vifs.1.bridge=br0", "vifs.0.rate=1Mbit", "vbds.1.target=/b"});
    ASSERT_EQ(config.vifs.size(), 2U);
    EXPECT_EQ(config.vifs[0].ip, "10.0.0.1");
    EXPECT_EQ(config.vifs[0].rate, 1'000'000U);
    EXPECT_EQ(config.vifs[1].bridge, "br0");
    ASSERT_EQ(config.vbds.size(), 2U);
    EXPECT_EQ(config.vbds[1].target, "/b");
}

TEST_F(VmConfig, TakesBareWordsInOverridesAsTheKeyWantsThem) {
    const std::string text = R"({"kernel": "k.elf"})";
    EXPECT_EQ(good(text, {"cmdline=true"}).cmdline, "true");
    EXPECT_EQ(good(text, {"cmdline=12"}).cmdline, "12");
    EXPECT_EQ(good(text, {"cmdline="}).cmdline, "");
    EXPECT_EQ(good(text, {"cmdline=\"quoted\""}).cmdline, "quoted");
    EXPECT_EQ(good(text, {"memory=8"}).memory, base::mib(8));
    EXPECT_EQ(good(text, {"vcpus.cpumap=3"}).cpumap, 8U);
    EXPECT_EQ(good(text, {"memory=4", "memory=16"}).memory, base::mib(16));
}

TEST_F(VmConfig, NamesTheArgumentOfAMistake) {
    const std::string text = R"({"kernel": "k.elf"})";
    EXPECT_THAT(error(text, {"memory=lots"}), HasSubstr("argument 'memory=lots': memory: got the string \"lots\""));
    EXPECT_THAT(error(text, {"memry=8"}),
                HasSubstr("argument 'memry=8': memry: unknown key; did you mean \"memory\"?"));
    EXPECT_THAT(error(text, {"name=7"}), HasSubstr("argument 'name=7': name: a name of digits alone"));
    EXPECT_THAT(error(text, {"vcpus.count=0"}), HasSubstr("argument 'vcpus.count=0': vcpus.count: got"));
    EXPECT_THAT(error(text, {"name"}), HasSubstr("argument 'name': has no '='"));
    EXPECT_THAT(error(text, {"=x"}), HasSubstr("argument '=x': has no key"));
    EXPECT_THAT(error(text, {"a..b=x"}), HasSubstr("empty key"));
    EXPECT_THAT(error(text, {"vifs=[]", "vifs.1.ip=x"}), HasSubstr("argument 'vifs.1.ip=x': names element 1 of 0"));
    EXPECT_THAT(error(text, {"vifs.1.ip=x"}), HasSubstr("argument 'vifs.1.ip=x': names element 1 of 0"));
    EXPECT_THAT(error(text, {"vcpus.0.count=1"}), HasSubstr("vcpus: got an array"));
    EXPECT_THAT(error(text, {"name=\xff"}), HasSubstr("is no UTF-8"));
}

TEST_F(VmConfig, RefusesRelativePathsThatBeginNowhere) {
    const std::string text = R"({"kernel": "k.elf"})";
    const auto root = json::parse(text, json::Comments::rejected);
    ASSERT_TRUE(root.has_value());
    const auto config = read_vm_value(*root, text, {});
    ASSERT_FALSE(config.has_value());
    EXPECT_THAT(config.error().message,
                HasSubstr("request:1:12: kernel: got the string \"k.elf\"; expected an absolute"));
    EXPECT_TRUE(read_vm_value(*root, text, VmSource{"", {}, folder_}).has_value());
}

// ---- the schema and the examples say what the parser does

const json::Value& object_in(const json::Value& schema, std::string_view path) {
    const json::Value* property = path.empty() ? &schema : schema.find("properties")->find(path);
    if (const json::Value* items = property->find("items")) {
        property = items;
    }
    if (const json::Value* forms = property->find("oneOf")) {
        for (const json::Value& form : forms->children) {
            property = form.find("properties") != nullptr ? &form : property;
        }
    }
    return *property;
}

TEST(VmSchema, HasTheKeysOfTheParser) {
    const auto schema = json::parse(vm_schema(), json::Comments::rejected);
    ASSERT_TRUE(schema.has_value());
    for (const std::string_view path : {"", "vcpus", "xen", "console", "vifs", "vbds"}) {
        std::vector<std::string> in_schema;
        const json::Value& object = object_in(*schema, path);
        for (const json::Value& property : object.find("properties")->children) {
            in_schema.push_back(property.key);
        }
        const auto keys = vm_keys(path);
        const std::vector<std::string> in_parser(keys.begin(), keys.end());
        EXPECT_THAT(in_schema, testing::UnorderedElementsAreArray(in_parser)) << path;
        const json::Value* more = object.find("additionalProperties");
        EXPECT_TRUE(more != nullptr && !more->truth) << path;
    }
}

TEST(VmSchema, IsTheFileInConfigs) {
    std::ifstream file(CHAOS_SOURCE_DIR "/configs/vm.schema.json");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    EXPECT_EQ(vm_schema(), text);
}

TEST(VmExamples, AreGoodButForKernelsThatAreNotBuilt) {
    for (const char* name : {"hello", "noop", "echo", "spin", "fault", "full"}) {
        const std::vector<std::string> overrides{"kernel=/proc/self/exe"};
        const auto config =
            load_vm_file(std::string(CHAOS_SOURCE_DIR "/configs/") + name + ".json", VmSource{"", overrides, "/"});
        EXPECT_TRUE(config.has_value()) << config.error().message;
    }
}

TEST(VmExamples, LinuxIsGoodButForItsFiles) {
    const std::vector<std::string> overrides{"kernel=/proc/self/exe", "ramdisk=/proc/self/exe"};
    const auto config = load_vm_file(CHAOS_SOURCE_DIR "/configs/xen/linux.json", VmSource{"", overrides, "/"});
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(config->pvh, true);
}

TEST(VmExamples, FullShowsEveryKey) {
    std::ifstream file(CHAOS_SOURCE_DIR "/configs/full.json");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    for (const std::string_view path : {"", "vcpus", "xen", "console", "vifs", "vbds"}) {
        for (const std::string_view key : vm_keys(path)) {
            EXPECT_THAT(text, HasSubstr("\"" + std::string(key) + "\":")) << path;
        }
    }
}

TEST(Units, SizesAndTheirText) {
    EXPECT_EQ(parse_size("8MiB"), base::mib(8));
    EXPECT_EQ(parse_size("1B"), base::Bytes{1});
    for (const char* bad : {"", "8", "MiB", "8 M", "8mib", "-1MiB", "1.5MiB", "99999999TiB", "8MiB "}) {
        EXPECT_FALSE(parse_size(bad).has_value()) << bad;
    }
    EXPECT_EQ(size_text(base::mib(8)), "8MiB");
    EXPECT_EQ(size_text(base::kib(6)), "6KiB");
    EXPECT_EQ(size_text(base::Bytes{0}), "0B");
}

TEST(Units, Rates) {
    EXPECT_EQ(parse_rate("100Mbit"), 100'000'000U);
    EXPECT_EQ(parse_rate("8bit"), 8U);
    EXPECT_EQ(parse_rate("2Gbit"), 2'000'000'000U);
    for (const char* bad : {"", "bit", "8", "1.5Mbit", "-1bit", "8mbit", "99999999999Gbit"}) {
        EXPECT_FALSE(parse_rate(bad).has_value()) << bad;
    }
}

TEST(Units, Ipv6Addresses) {
    for (const char* good : {"::1", "fd00::2/64", "1:2:3:4:5:6:7:8", "::/0"}) {
        EXPECT_TRUE(is_ipv6(good)) << good;
    }
    for (const char* bad : {"", "10.0.0.1", "fd00::2/129", "fd00::2/", "1:2", "fd00:::1", "fe80::1%eth0"}) {
        EXPECT_FALSE(is_ipv6(bad)) << bad;
    }
}

TEST(Units, CpuLists) {
    EXPECT_EQ(parse_cpus("0-3,5"), 0b101111U);
    EXPECT_EQ(parse_cpus("63"), std::uint64_t{1} << 63);
    for (const char* bad : {"", "64", "1-", "-1", "3-1", "1,", ",1", "a", "0-99"}) {
        EXPECT_FALSE(parse_cpus(bad).has_value()) << bad;
    }
}

}  // namespace
}  // namespace chaos
