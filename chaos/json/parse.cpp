// SPDX-License-Identifier: Apache-2.0
#include "chaos/json/parse.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <nlohmann/json.hpp>

namespace chaos::json {

namespace {

// Feeds the lexer and tells how far it has read: that is all it takes to know where each token begins.
class CountingIterator {
 public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    CountingIterator() = default;
    CountingIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
    reference operator*() const { return *at_; }
    CountingIterator& operator++() {
        *reached_ = ++at_;
        return *this;
    }
    CountingIterator operator++(int) {
        CountingIterator old = *this;
        ++*this;
        return old;
    }
    friend bool operator==(const CountingIterator& a, const CountingIterator& b) { return a.at_ == b.at_; }

 private:
    const char* at_{nullptr};
    const char** reached_{nullptr};
};

std::size_t skip_comment(std::string_view text, std::size_t at) {
    if (text.substr(at, 2) == "//") {
        return std::min(text.find('\n', at), text.size());
    }
    if (text.substr(at, 2) == "/*") {
        const std::size_t end = text.find("*/", at + 2);
        return end == std::string_view::npos ? text.size() : end + 2;
    }
    return at;
}

// From the end of one token to the start of the next, in text that the lexer has accepted.
std::size_t skip_between(std::string_view text, std::size_t at) {
    while (at < text.size()) {
        const std::size_t after = skip_comment(text, at);
        if (after != at) {
            at = after;
        } else if (std::string_view(" \t\r\n,:").find(text[at]) != std::string_view::npos) {
            ++at;
        } else {
            break;
        }
    }
    return at;
}

std::string readable(std::string_view what) {
    const std::size_t column = what.find("column ");
    const std::size_t start = what.find(": ", column == std::string_view::npos ? 0 : column);
    std::string text(start == std::string_view::npos ? what : what.substr(start + 2));
    const std::size_t dash = text.find(" - ");
    if (dash != std::string::npos) {
        text.replace(dash, 3, ": ");
    }
    return text;
}

class Builder {
 public:
    Builder(std::string_view text, const char*& reached) : text_(text), reached_(reached) {}

    bool null() { return add(Type::null) != nullptr; }
    bool boolean(bool truth) {
        Value* value = add(Type::boolean);
        value->truth = truth;
        return true;
    }
    bool number_integer(std::int64_t number) {
        Value* value = add(Type::integer);
        value->truth = number < 0;
        value->magnitude = number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
        return end_number(*value);
    }
    bool number_unsigned(std::uint64_t number) {
        Value* value = add(Type::integer);
        value->magnitude = number;
        return end_number(*value);
    }
    bool number_float(double number, const std::string&) {
        Value* value = add(Type::real);
        value->real = number;
        return end_number(*value);
    }
    bool string(std::string& characters) {
        Value* value = add(Type::string);
        value->text = std::move(characters);
        return true;
    }
    bool binary(std::vector<std::uint8_t>&) { return false; }
    bool start_object(std::size_t) { return open(Type::object); }
    bool start_array(std::size_t) { return open(Type::array); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& characters) {
        const std::size_t start = skip_between(text_, previous_end_);
        previous_end_ = reached();
        Value& object = *open_.back();
        if (object.children.size() >= max_members) {
            return refuse(start, "too many keys; expected at most " + std::to_string(max_members) + " in one object");
        }
        if (object.find(characters) != nullptr) {
            return refuse(start, "the key \"" + characters + "\" is repeated; expected it once");
        }
        pending_key_ = std::move(characters);
        pending_key_offset_ = static_cast<std::uint32_t>(start);
        return true;
    }

    template <class Exception>
    bool parse_error(std::size_t position, const std::string&, const Exception& why) {
        return refuse(position == 0 ? 0 : position - 1, readable(why.what()));
    }

    Value take_root() { return std::move(root_); }
    ParseError take_error() { return std::move(error_); }

 private:
    std::size_t reached() const { return static_cast<std::size_t>(reached_ - text_.data()); }

    bool refuse(std::size_t offset, std::string message) {
        error_ = ParseError{offset, std::move(message)};
        return false;
    }

    Value* add(Type type) {
        Value* value = &root_;
        if (!open_.empty()) {
            value = &open_.back()->children.emplace_back();
            value->key = std::move(pending_key_);
            value->key_offset = pending_key_offset_;
        }
        value->type = type;
        value->offset = static_cast<std::uint32_t>(skip_between(text_, previous_end_));
        previous_end_ = reached();
        return value;
    }

    // The lexer sees where a number ends only after one character more, unless the text ends there.
    bool end_number(Value& value) {
        constexpr std::string_view digits = "+-.0123456789eE";
        previous_end_ = std::min(text_.find_first_not_of(digits, value.offset), text_.size());
        value.text = text_.substr(value.offset, previous_end_ - value.offset);
        return true;
    }

    bool open(Type type) {
        Value* value = add(type);
        if (open_.size() >= max_depth) {
            return refuse(value->offset, "nested too deep; expected at most " + std::to_string(max_depth) + " levels");
        }
        open_.push_back(value);
        return true;
    }

    bool close() {
        open_.pop_back();
        previous_end_ = reached();
        return true;
    }

    std::string_view text_;
    const char*& reached_;
    std::size_t previous_end_{0};
    Value root_;
    std::vector<Value*> open_;  // a container's address is stable while it is open: only its innermost one grows
    std::string pending_key_;
    std::uint32_t pending_key_offset_{0};
    ParseError error_;
};

}  // namespace

std::expected<Value, ParseError> parse(std::string_view text, Comments comments) {
    constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
    if (text.starts_with(byte_order_mark)) {
        return std::unexpected(ParseError{0, "a byte order mark; expected plain UTF-8"});
    }
    if (skip_between(text, 0) == text.size() && text.find_first_of(",:") == std::string_view::npos) {
        return std::unexpected(ParseError{0, "the document is empty; expected a JSON object"});
    }
    const char* reached = text.data();
    Builder builder(text, reached);
    const CountingIterator first(text.data(), &reached);
    const CountingIterator last(text.data() + text.size(), &reached);
    const bool good = nlohmann::json::sax_parse(first, last, &builder, nlohmann::json::input_format_t::json, true,
                                                comments == Comments::allowed);
    if (!good) {
        return std::unexpected(builder.take_error());
    }
    return builder.take_root();
}

Position position_of(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, std::min(offset, text.size()));
    const std::size_t newline = before.rfind('\n');
    Position position;
    position.line += static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    position.column += newline == std::string_view::npos ? before.size() : before.size() - newline - 1;
    return position;
}

}  // namespace chaos::json
