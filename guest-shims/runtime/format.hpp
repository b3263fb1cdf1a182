// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace guest {

/// Where text goes.
class TextSink {
 public:
    virtual void put(std::string_view text) = 0;

 protected:
    constexpr TextSink() = default;
    ~TextSink() = default;
};

/// Text into a fixed array; what does not fit is cut off.
class TextBuffer final : public TextSink {
 public:
    explicit TextBuffer(std::span<char> space) : space_(space) {}
    void put(std::string_view text) override;
    std::string_view text() const { return {space_.data(), used_}; }

 private:
    std::span<char> space_;
    std::size_t used_{0};
};

/// One argument of `format`.
class FormatArg {
 public:
    enum class Kind : std::uint8_t { text, number, negative, pointer };

    FormatArg(std::string_view text) : kind_(Kind::text), text_(text) {}
    FormatArg(const char* text) : FormatArg(std::string_view(text)) {}
    FormatArg(bool value) : FormatArg(value ? std::string_view("true") : std::string_view("false")) {}
    FormatArg(const void* value) : kind_(Kind::pointer), number_(reinterpret_cast<std::uintptr_t>(value)) {}
    template <std::integral T>
    FormatArg(T value)
        : kind_(value < T{0} ? Kind::negative : Kind::number),
          number_(value < T{0} ? std::uint64_t{0} - static_cast<std::uint64_t>(value)
                               : static_cast<std::uint64_t>(value)) {}

    Kind kind() const { return kind_; }
    std::string_view text() const { return text_; }
    std::uint64_t magnitude() const { return number_; }

 private:
    Kind kind_;
    std::string_view text_;
    std::uint64_t number_{0};
};

/// As `format`, with the arguments in an array.
void format_args(TextSink& out, std::string_view pattern, std::span<const FormatArg> args);

/// Writes `pattern` with each {} replaced by the next argument, as std::format does, of which it knows: {} {:x}
/// {:8} {:08} {:08x} {:<8} {{ }}. Text stands left in its width, numbers right. Never fails: an argument that is
/// missing shows as {?}, one too many is dropped, a width above 64 counts as 64.
template <class... Args>
void format(TextSink& out, std::string_view pattern, const Args&... args) {
    if constexpr (sizeof...(Args) == 0) {
        format_args(out, pattern, {});
    } else {
        const FormatArg array[] = {FormatArg(args)...};
        format_args(out, pattern, array);
    }
}

}  // namespace guest
