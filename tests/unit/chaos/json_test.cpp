// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <limits>

#include "chaos/json/parse.hpp"
#include "chaos/json/utf8.hpp"
#include "chaos/json/writer.hpp"

namespace chaos::json {
namespace {

Value good(std::string_view text) {
    auto value = parse(text, Comments::allowed);
    EXPECT_TRUE(value.has_value()) << text << ": " << (value ? "" : value.error().message);
    return value ? *std::move(value) : Value{};
}

TEST(Json, RemembersWhereEachValueAndKeyStands) {
    const std::string_view text = "/* a */ { // b\n  \"one\" : 12 , \"two\":[true,-3.5e1,\"x\\\"y\"], \"c\":{}\n}";
    const Value root = good(text);
    ASSERT_EQ(root.children.size(), 3U);
    EXPECT_EQ(text.substr(root.offset, 1), "{");
    EXPECT_EQ(text.substr(root.children[0].key_offset, 5), "\"one\"");
    EXPECT_EQ(text.substr(root.children[0].offset, 2), "12");
    EXPECT_EQ(text.substr(root.children[1].key_offset, 5), "\"two\"");
    const Value& list = root.children[1];
    EXPECT_EQ(text.substr(list.offset, 1), "[");
    EXPECT_EQ(text.substr(list.children[0].offset, 4), "true");
    EXPECT_EQ(text.substr(list.children[1].offset, 6), "-3.5e1");
    EXPECT_EQ(text.substr(list.children[2].offset, 3), "\"x\\");
    EXPECT_EQ(text.substr(root.children[2].offset, 2), "{}");
}

TEST(Json, FindsTheTokenAfterANumberThatTouchesItsNeighbour) {
    const std::string_view text = "[1,2/*c*/,3]";
    const Value root = good(text);
    for (const Value& child : root.children) {
        EXPECT_EQ(text.substr(child.offset, 1), child.text);
    }
    EXPECT_EQ(good("7").text, "7");
}

TEST(Json, KeepsNumbersAsWritten) {
    const Value root = good("[18446744073709551615, -9223372036854775808, 1.50, 4.0]");
    EXPECT_EQ(root.children[0].magnitude, std::numeric_limits<std::uint64_t>::max());
    EXPECT_TRUE(root.children[1].truth);
    EXPECT_EQ(root.children[1].magnitude, std::uint64_t{1} << 63);
    EXPECT_EQ(root.children[2].text, "1.50");
    EXPECT_EQ(root.children[3].as_unsigned(), 4U);
    EXPECT_FALSE(root.children[1].as_unsigned().has_value());
    EXPECT_FALSE(root.children[2].as_unsigned().has_value());
}

TEST(Json, RefusesRepeatedKeysDeepNestingAndBadUtf8) {
    const std::string_view repeated = "{\"a\":1,\n \"a\":2}";
    const auto error = parse(repeated, Comments::allowed);
    ASSERT_FALSE(error.has_value());
    EXPECT_EQ(position_of(repeated, error.error().offset).line, 2U);
    EXPECT_EQ(position_of(repeated, error.error().offset).column, 2U);
    EXPECT_NE(error.error().message.find("repeated"), std::string::npos);

    EXPECT_TRUE(parse(std::string(max_depth, '[') + std::string(max_depth, ']'), Comments::allowed).has_value());
    const auto deep = parse(std::string(max_depth + 1, '['), Comments::allowed);
    ASSERT_FALSE(deep.has_value());
    EXPECT_NE(deep.error().message.find("deep"), std::string::npos);
    EXPECT_FALSE(parse(std::string(1 << 20, '['), Comments::allowed).has_value());

    EXPECT_FALSE(parse("\"\xff\"", Comments::allowed).has_value());
    EXPECT_FALSE(parse("\xef\xbb\xbf{}", Comments::allowed).has_value());
    for (const char* empty : {"", "  \n", "// only this", "/* open"}) {
        EXPECT_FALSE(parse(empty, Comments::allowed).has_value()) << empty;
    }
    EXPECT_FALSE(parse("{} // comment", Comments::rejected).has_value());
}

TEST(Json, RefusesAnObjectWithTooManyKeys) {
    std::string text = "{";
    for (std::size_t i = 0; i <= max_members; ++i) {
        text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
    }
    const auto value = parse(text + "}", Comments::allowed);
    ASSERT_FALSE(value.has_value());
    EXPECT_NE(value.error().message.find("too many keys"), std::string::npos);
}

TEST(Json, WritesWhatItReads) {
    const std::string text = R"({"a":[1,-2,3.25,true,null],"b":{"c":"x\"\\\n\u0001é"}})";
    std::string out;
    append_value(out, good(text));
    EXPECT_EQ(out, text);
}

TEST(Json, WriterPutsCommasAndEscapes) {
    std::string out;
    Writer writer(out);
    writer.begin_object().member("a", 1).key("b").begin_array().value("x\ty").value(true).end_array();
    writer.key("c").begin_object().end_object().key("t").micros(87'125).key("z").micros(5).end_object();
    EXPECT_EQ(out, R"({"a":1,"b":["x\ty",true],"c":{},"t":87.125,"z":0.005})");
    std::string bad;
    append_string(bad, "a\xff\xc3(");
    EXPECT_EQ(bad, "\"a\xef\xbf\xbd\xef\xbf\xbd(\"");
}

TEST(Utf8, KnowsWellFormedSequences) {
    EXPECT_TRUE(is_utf8("aé€😀"));
    for (const char* bad : {"\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf0\x80\x80\x80"}) {
        EXPECT_FALSE(is_utf8(bad));
    }
}

}  // namespace
}  // namespace chaos::json
