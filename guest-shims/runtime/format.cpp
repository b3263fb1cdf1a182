// SPDX-License-Identifier: Apache-2.0
#include "guest-shims/runtime/format.hpp"

namespace guest {

namespace {

constexpr unsigned max_width = 64;

struct Spec {
    bool hex{false};
    bool zeros{false};
    bool left{false};
    unsigned width{0};
};

Spec parse_spec(std::string_view text) {
    Spec spec;
    if (text.starts_with(':')) {
        text.remove_prefix(1);
    }
    if (text.starts_with('<')) {
        spec.left = true;
        text.remove_prefix(1);
    }
    if (text.starts_with('0')) {
        spec.zeros = true;
        text.remove_prefix(1);
    }
    for (const char c : text) {
        if (c >= '0' && c <= '9') {
            spec.width = spec.width * 10 + static_cast<unsigned>(c - '0');
            spec.width = spec.width < max_width ? spec.width : max_width;
        } else if (c == 'x') {
            spec.hex = true;
        }
    }
    return spec;
}

void pad(TextSink& out, char c, std::size_t count) {
    for (; count > 0; --count) {
        out.put({&c, 1});
    }
}

void put_text(TextSink& out, std::string_view text, const Spec& spec) {
    out.put(text);
    pad(out, ' ', spec.width > text.size() ? spec.width - text.size() : 0);
}

void put_number(TextSink& out, const FormatArg& arg, const Spec& spec) {
    const bool pointer = arg.kind() == FormatArg::Kind::pointer;
    const unsigned radix = spec.hex || pointer ? 16 : 10;
    char digits[20];
    std::size_t first = sizeof digits;
    std::uint64_t rest = arg.magnitude();
    do {
        digits[--first] = "0123456789abcdef"[rest % radix];
        rest /= radix;
    } while (rest != 0);
    const std::string_view number(digits + first, sizeof digits - first);
    const std::string_view prefix = arg.kind() == FormatArg::Kind::negative ? "-" : pointer ? "0x" : "";
    const std::size_t length = prefix.size() + number.size();
    const std::size_t fill = spec.width > length ? spec.width - length : 0;
    if (!spec.left && !spec.zeros) {
        pad(out, ' ', fill);
    }
    out.put(prefix);
    if (!spec.left && spec.zeros) {
        pad(out, '0', fill);
    }
    out.put(number);
    if (spec.left) {
        pad(out, ' ', fill);
    }
}

void put_arg(TextSink& out, const FormatArg& arg, const Spec& spec) {
    if (arg.kind() == FormatArg::Kind::text) {
        put_text(out, arg.text(), spec);
    } else {
        put_number(out, arg, spec);
    }
}

}  // namespace

void TextBuffer::put(std::string_view text) {
    for (const char c : text) {
        if (used_ == space_.size()) {
            return;
        }
        space_[used_++] = c;
    }
}

void format_args(TextSink& out, std::string_view pattern, std::span<const FormatArg> args) {
    while (!pattern.empty()) {
        std::size_t plain = 0;
        while (plain < pattern.size() && pattern[plain] != '{' && pattern[plain] != '}') {
            ++plain;
        }
        if (plain > 0) {
            out.put(pattern.substr(0, plain));
            pattern.remove_prefix(plain);
            continue;
        }
        const bool doubled = pattern.size() > 1 && pattern[1] == pattern[0];
        const std::size_t close = pattern[0] == '{' ? pattern.find('}') : std::string_view::npos;
        if (doubled || close == std::string_view::npos) {
            out.put(pattern.substr(0, 1));
            pattern.remove_prefix(doubled ? 2 : 1);
            continue;
        }
        if (args.empty()) {
            out.put("{?}");
        } else {
            put_arg(out, args.front(), parse_spec(pattern.substr(1, close - 1)));
            args = args.subspan(1);
        }
        pattern.remove_prefix(close + 1);
    }
}

}  // namespace guest
