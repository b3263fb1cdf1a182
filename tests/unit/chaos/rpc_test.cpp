// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "chaos/rpc/base64.hpp"
#include "chaos/rpc/line_buffer.hpp"
#include "chaos/rpc/message.hpp"
#include "chaos/rpc/output_queue.hpp"
#include "chaos/rpc/unix_address.hpp"

namespace chaos::rpc {
namespace {

using testing::HasSubstr;

TEST(LineBuffer, CutsLinesHoweverTheyArrive) {
    const std::string stream = "one\ntwo\r\n\nthree\nrest";
    for (std::size_t step = 1; step <= stream.size(); ++step) {
        LineBuffer buffer(100);
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            buffer.append(std::string_view(stream).substr(at, step));
            while (const auto line = buffer.next()) {
                lines.emplace_back(*line);
            }
        }
        EXPECT_THAT(lines, testing::ElementsAre("one", "two", "", "three")) << step;
        EXPECT_EQ(buffer.pending(), 4U);
    }
}

TEST(LineBuffer, RefusesALineBeyondItsLimit) {
    LineBuffer exact(4);
    exact.append("1234\n12345");
    EXPECT_EQ(exact.next(), "1234");
    EXPECT_FALSE(exact.next().has_value());
    EXPECT_TRUE(exact.too_long());
    exact.append("\nnext\n");
    EXPECT_FALSE(exact.next().has_value());
}

TEST(OutputQueue, KeepsOrderAndKnowsWhatPilesUp) {
    OutputQueue queue(10, 20);
    queue.push("0123456789", Kind::reply);
    EXPECT_FALSE(queue.congested());
    queue.push("ab", Kind::notification);
    queue.push("x", Kind::reply);
    EXPECT_TRUE(queue.congested());
    EXPECT_EQ(queue.front(), "0123456789abx");
    queue.consume(5);
    EXPECT_FALSE(queue.congested());
    EXPECT_EQ(queue.front(), "56789abx");
    queue.push(std::string(18, 'n'), Kind::notification);
    EXPECT_FALSE(queue.overflowed());
    queue.push("n", Kind::notification);
    EXPECT_TRUE(queue.overflowed());
    queue.consume(queue.front().size());
    EXPECT_TRUE(queue.empty());
    EXPECT_FALSE(queue.overflowed());
}

TEST(OutputQueue, LetsALongReplyThrough) {
    OutputQueue queue(10, 20);
    queue.push(std::string(1000, 'r'), Kind::reply);
    queue.push("event", Kind::notification);
    EXPECT_FALSE(queue.overflowed());
    EXPECT_TRUE(queue.congested());
}

TEST(Message, ReadsARequest) {
    const auto request = parse_request(R"({"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1}})");
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->id, "7");
    EXPECT_EQ(request->method, "m");
    EXPECT_NE(request->params.find("a"), nullptr);
    EXPECT_EQ(parse_request(R"({"jsonrpc":"2.0","id":"a\"b","method":"m"})")->id, R"("a\"b")");
    EXPECT_EQ(parse_request(R"({"jsonrpc":"2.0","id":1.5,"method":"m"})")->id, "1.5");
    EXPECT_EQ(parse_request(R"({"jsonrpc":"2.0","method":"m"})")->id, "");
    EXPECT_TRUE(parse_request(R"({"jsonrpc":"2.0","method":"m"})")->params.is(json::Type::object));
}

TEST(Message, RefusesWhatIsNone) {
    struct Case {
        const char* line;
        int number;
        const char* id;
        const char* message;
    };
    const Case cases[] = {
        {"{", -32700, "null", "column"},
        {"", -32700, "null", "empty"},
        {"{\"id\":1,\"id\":2}", -32700, "null", "repeated"},
        {"\xff", -32700, "null", ""},
        {"[]", -32600, "null", "batches"},
        {R"([{"jsonrpc":"2.0","id":1,"method":"hello"}])", -32600, "null", "batches"},
        {"7", -32600, "null", "request object"},
        {R"({"id":1,"method":"m"})", -32600, "1", "jsonrpc"},
        {R"({"jsonrpc":"1.0","id":1,"method":"m"})", -32600, "1", "jsonrpc"},
        {R"({"jsonrpc":"2.0","id":1})", -32600, "1", "method"},
        {R"({"jsonrpc":"2.0","id":1,"method":5})", -32600, "1", "method"},
        {R"({"jsonrpc":"2.0","id":1,"method":"m","params":[1]})", -32600, "1", "named parameters"},
        {R"({"jsonrpc":"2.0","id":{},"method":"m"})", -32600, "null", "id"},
        {R"({"jsonrpc":"2.0","id":1,"method":"m","x":1})", -32600, "1", "unknown member"},
    };
    for (const Case& c : cases) {
        const auto request = parse_request(c.line);
        ASSERT_FALSE(request.has_value()) << c.line;
        EXPECT_EQ(request.error().number, c.number) << c.line;
        EXPECT_EQ(request.error().id, c.id) << c.line;
        EXPECT_THAT(request.error().message, HasSubstr(c.message)) << c.line;
    }
}

TEST(Message, ErrorNumbersAreStableAndUnlike) {
    EXPECT_EQ(error_number(base::Code::invalid_argument), -32602);
    EXPECT_EQ(error_number(base::Code::no_such_domain), -32004);
    EXPECT_EQ(error_number(base::Code::name_in_use), -32005);
    EXPECT_EQ(error_number(base::Code::guest_died), -32016);
    std::vector<int> numbers;
    for (int code = 0; code <= static_cast<int>(base::Code::internal); ++code) {
        numbers.push_back(error_number(static_cast<base::Code>(code)));
    }
    std::sort(numbers.begin(), numbers.end());
    EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end());
}

TEST(Message, WritesLines) {
    std::string out;
    append_result(out, "7", [](json::Writer& writer) { writer.begin_object().member("a", 1).end_object(); });
    EXPECT_EQ(out, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":1}}\n");
    out.clear();
    append_error(out, failure_of({base::Code::name_in_use, 0, "x\ny"}, "\"q\""), "\"created\":0");
    EXPECT_EQ(out,
              "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"error\":{\"code\":-32005,\"message\":\"x\\ny\","
              "\"data\":{\"code\":\"name_in_use\",\"created\":0}}}\n");
}

TEST(Base64, IsRfc4648) {
    const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, encoded] : vectors) {
        EXPECT_EQ(base64_encode(plain), encoded);
        EXPECT_EQ(base64_decode(encoded), plain);
    }
    for (const char* bad : {"Z", "Zg=", "Z===", "Zg==Zg==", "Z?==", "===="}) {
        EXPECT_FALSE(base64_decode(bad).has_value()) << bad;
    }
}

TEST(Base64, CarriesBytesThatAreNoText) {
    for (const std::string& bytes : {std::string("plain é\n"), std::string("\xff\x00\x80", 3)}) {
        std::string out;
        json::Writer writer(out);
        writer.begin_object();
        write_bytes(writer, bytes);
        writer.end_object();
        const auto request = parse_request(R"({"jsonrpc":"2.0","id":1,"method":"m","params":)" + out + "}");
        ASSERT_TRUE(request.has_value());
        EXPECT_EQ(read_bytes(request->params), bytes);
    }
}

TEST(UnixAddress, RefusesWhatDoesNotFit) {
    EXPECT_TRUE(unix_address(std::string(107, 'p')).has_value());
    EXPECT_FALSE(unix_address(std::string(108, 'p')).has_value());
    EXPECT_FALSE(unix_address("").has_value());
}

}  // namespace
}  // namespace chaos::rpc
