// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/crash_report.hpp"

#include <csignal>
#include <cstring>

#include "symbol_image.hpp"
#include "toolstack_fixture.hpp"

namespace split {
namespace {

using hypervisor::DeathKind;
using test::TestSymbol;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint64_t image_gpa = 0x100000;
constexpr std::uint64_t stack_gpa = 0x200000;

/// "f" ends in a call, "g" has one through a register, and bytes that are none.
std::vector<std::byte> image(std::uint64_t at = image_gpa) {
    std::string code(0x40, '\x90');
    code.replace(0x0b, 5, std::string("\xe8\0\0\0\0", 5));
    code.replace(0x20, 2, "\xff\xd0");
    const auto file = test_support::build_elf(
        {.segments = {{.paddr = at, .content = code}}, .notes = {{"noxs", elf::noxs_note_entry64, at}}});
    return test::with_symbols(file, {{"f", at, 0x10}, {"g", at + 0x10, 0x30}});
}

class CrashReportTest : public ToolstackTest {
 protected:
    CrashReportTest() { kernel = dir.write("symbols.elf", image()); }

    base::DomId launch() {
        auto wanted = config("web");
        wanted.on_crash = EndAction::preserve;
        const auto id = create(wanted);
        EXPECT_TRUE(id) << id.error().message;
        return id.value_or(base::DomId{});
    }
    void push(base::DomId id, std::uint64_t gpa, std::vector<std::uint64_t> words) {
        std::memcpy(machine->find(id)->memory + gpa, words.data(), words.size() * sizeof words[0]);
    }
    DomainView crash(base::DomId id, std::uint64_t rip, std::uint64_t rsp) {
        hypervisor::Registers registers{.rax = 0xdead0000, .rsp = rsp, .rip = rip};
        machine->die(id, {DeathKind::crashed, 0, SIGSEGV, 0xdead0000, rip, registers});
        toolstack->poll();
        return toolstack->view(id).value_or(DomainView{});
    }
};

TEST_F(CrashReportTest, NamesTheFunctionInEventAndView) {
    open();
    const auto view = crash(launch(), image_gpa + 0x14, stack_gpa);
    EXPECT_EQ(view.crash.function, "g+0x4");
    EXPECT_EQ(view.ended, "crashed: SIGSEGV at 0xdead0000, ip 0x100014 (g+0x4)");
    EXPECT_EQ(recorder.events.back().detail, view.ended);
    EXPECT_THAT(view.crash.unnamed, IsEmpty());
    ASSERT_TRUE(view.death.registers);
    EXPECT_EQ(view.death.registers->rax, 0xdead0000u);
}

TEST_F(CrashReportTest, ListsWhatIsBehindACall) {
    open();
    const auto id = launch();
    push(id, stack_gpa, {7, image_gpa + 0x10, image_gpa + 0x22, image_gpa + 0x24, image_gpa, UINT64_MAX});
    EXPECT_THAT(crash(id, image_gpa, stack_gpa).crash.callers, ElementsAre("f+0x10", "g+0x12"));
}

TEST_F(CrashReportTest, AJumpIntoNowhereStillHasItsCaller) {
    open();
    const auto id = launch();
    push(id, stack_gpa, {image_gpa + 0x10});
    const auto view = crash(id, 0xdead0000, stack_gpa);
    EXPECT_THAT(view.crash.function, IsEmpty());
    EXPECT_THAT(view.crash.unnamed, HasSubstr("none of its functions"));
    EXPECT_THAT(view.crash.callers, ElementsAre("f+0x10"));
}

TEST_F(CrashReportTest, CallersAreBounded) {
    open();
    const auto id = launch();
    push(id, stack_gpa, std::vector<std::uint64_t>(CrashReport::stack_words, image_gpa + 0x10));
    EXPECT_EQ(crash(id, image_gpa, stack_gpa).crash.callers.size(), CrashReport::max_callers);
}

TEST_F(CrashReportTest, AnyStackPointerIsFine) {
    open();
    const auto top = base::mib(4).value;
    for (const auto rsp : {std::uint64_t{0}, std::uint64_t{8}, image_gpa - 8, image_gpa + 3, top - 8, top, top + 8,
                           UINT64_MAX, UINT64_MAX - 7}) {
        const auto id = launch();
        const auto view = crash(id, image_gpa, rsp);
        EXPECT_EQ(view.crash.function, "f+0x0") << rsp;
        EXPECT_THAT(view.crash.callers, IsEmpty()) << rsp;
        EXPECT_TRUE(toolstack->destroy(id));
    }
}

TEST_F(CrashReportTest, StackIsReadUpToTheEndOfRam) {
    open();
    const auto id = launch();
    const auto rsp = base::mib(4).value - 8;
    push(id, rsp, {image_gpa + 0x10});
    EXPECT_THAT(crash(id, image_gpa, rsp).crash.callers, ElementsAre("f+0x10"));
}

TEST_F(CrashReportTest, AStackThatRanOverIsReadFromTheFrontOfRam) {
    kernel = dir.write("stack-first.elf", image(image_gpa + 0x1000));
    open();
    const auto id = launch();
    push(id, image_gpa, {image_gpa + 0x1010});
    EXPECT_THAT(crash(id, image_gpa + 0x1000, image_gpa - 0x100).crash.callers, ElementsAre("f+0x10"));
}

TEST_F(CrashReportTest, NoNamesOfAFileThatHasChanged) {
    open();
    const auto id = launch();
    auto other = image();
    test_support::edit_segment(other, 0, [&](const elf::ProgramHeader& code) { other[code.offset] = std::byte{1}; });
    dir.write("symbols.elf", other);
    const auto view = crash(id, image_gpa + 0x14, stack_gpa);
    EXPECT_THAT(view.crash.function, IsEmpty());
    EXPECT_THAT(view.crash.unnamed, HasSubstr("changed"));
    EXPECT_THAT(view.crash.unnamed, HasSubstr(kernel));
    EXPECT_EQ(view.ended, "crashed: SIGSEGV at 0xdead0000, ip 0x100014");
}

TEST_F(CrashReportTest, NoNamesOfAFileThatIsGone) {
    open();
    const auto id = launch();
    std::filesystem::remove(kernel);
    const auto view = crash(id, image_gpa, stack_gpa);
    EXPECT_THAT(view.crash.function, IsEmpty());
    EXPECT_THAT(view.crash.unnamed, Not(IsEmpty()));
    EXPECT_EQ(view.state, State::crashed);
}

TEST_F(CrashReportTest, AnImageWithoutSymbolsHasRegistersOnly) {
    kernel = dir.write("stripped.elf", test_support::build_elf({}));
    open();
    const auto view = crash(launch(), image_gpa, stack_gpa);
    EXPECT_THAT(view.crash.function, IsEmpty());
    EXPECT_THAT(view.crash.unnamed, HasSubstr("no symbols"));
    EXPECT_TRUE(view.death.registers);
}

TEST_F(CrashReportTest, MemoryThatCannotBeReadIsNoTrouble) {
    open();
    const auto id = launch();
    machine->fail(test_support::Verb::map_pages, base::Code::io_error, 0, 100);
    const auto view = crash(id, image_gpa, stack_gpa);
    EXPECT_EQ(view.state, State::crashed);
    EXPECT_THAT(view.crash.function, IsEmpty());
}

TEST_F(CrashReportTest, ADaemonThatComesLaterReportsTheSame) {
    open();
    const auto id = launch();
    toolstack.reset();
    hypervisor::Registers registers{.rsp = stack_gpa, .rip = image_gpa + 0x14};
    machine->die(id, {DeathKind::crashed, 0, SIGSEGV, 0, registers.rip, registers});
    open();
    toolstack->poll();
    const auto view = toolstack->view(id);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->crash.function, "g+0x4");
    EXPECT_TRUE(view->death.registers);
}

TEST_F(CrashReportTest, WithoutRegistersThereIsNothingToLookAt) {
    open();
    const auto id = launch();
    machine->die(id, {.kind = DeathKind::killed, .signal = SIGKILL});
    toolstack->poll();
    const auto view = toolstack->view(id);
    ASSERT_TRUE(view);
    EXPECT_THAT(view->crash.function, IsEmpty());
    EXPECT_THAT(view->crash.unnamed, IsEmpty());
}

TEST_F(CrashReportTest, ManyAtOnceAreAllToldAtLeastInWords) {
    open();
    const hypervisor::Registers registers{.rip = image_gpa};
    for (unsigned i = 0; i < 2 * ReportLimit::most; ++i) {
        const auto id = create_named("web-" + std::to_string(i));
        machine->die(id, {DeathKind::crashed, 0, SIGSEGV, 0, image_gpa, registers});
    }
    toolstack->poll();
    unsigned named = 0;
    unsigned told = 0;
    for (const auto& event : recorder.events) {
        const bool crashed = event.kind == EventKind::crashed;
        EXPECT_TRUE(!crashed || event.detail.starts_with("crashed: SIGSEGV at 0x0, ip 0x100000")) << event.detail;
        told += crashed ? 1 : 0;
        named += event.detail.ends_with(" (f+0x0)") ? 1 : 0;
    }
    EXPECT_EQ(told, 2 * ReportLimit::most);
    EXPECT_GE(named, ReportLimit::most);
    expect_nothing_left();
}

TEST(CrashReport, FunctionStandsBehindTheInstructionPointer) {
    EXPECT_EQ(with_function("crashed at ip 0x100123, last page fault at 0x8", 0x100123, "f+0x5"),
              "crashed at ip 0x100123 (f+0x5), last page fault at 0x8");
    EXPECT_EQ(with_function("crashed: it gave up", 0x100123, "f+0x5"), "crashed: it gave up");
    EXPECT_EQ(with_function("crashed at ip 0x1", 1, ""), "crashed at ip 0x1");
}

TEST(CrashReport, RegistersAsOneLine) {
    const auto text = registers_text({.rax = 0xdead0000, .r15 = 15, .rip = 0x100123, .rflags = 0x10202});
    EXPECT_THAT(text, testing::StartsWith("rip 0x100123 rsp 0x0 rflags 0x10202 rax 0xdead0000 "));
    EXPECT_THAT(text, testing::EndsWith(" r15 0xf"));
}

TEST(CrashReport, Callers) {
    EXPECT_EQ(callers_text({}), "");
    EXPECT_EQ(callers_text({"f", {"g+0x1", "h+0x2"}, ""}), "called from, perhaps: g+0x1, h+0x2");
    EXPECT_EQ(callers_text({"", {}, "it has no symbols"}), "no function name: it has no symbols");
}

TEST(ReportLimit, IsForEachSecond) {
    ReportLimit limit;
    const Clock::time_point begin{std::chrono::hours(1)};
    for (unsigned i = 0; i < ReportLimit::most; ++i) {
        EXPECT_EQ(limit.count(begin), ReportLimit::Verdict::report);
    }
    EXPECT_EQ(limit.count(begin), ReportLimit::Verdict::first_unreported);
    EXPECT_EQ(limit.count(begin + ReportLimit::window), ReportLimit::Verdict::no_more);
    EXPECT_EQ(limit.count(begin + ReportLimit::window * 2), ReportLimit::Verdict::report);
}

}  // namespace
}  // namespace split
