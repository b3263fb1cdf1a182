// SPDX-License-Identifier: Apache-2.0
// Names of functions, out of the symbol table that an image's file keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace split {

using base::Result;

/// Reads `into.size()` bytes from `offset` on of a file; false: they are not all there.
using ReadAt = std::move_only_function<bool(std::uint64_t offset, std::span<std::byte> into) const>;

/// Of the file at `path`, which stays open. A regular file or an error.
Result<ReadAt> open_image(const std::string& path);

/// The functions of one image. Of the file only the section headers and the symbol table are read, up to a limit each,
/// and later the names that are asked for. Whatever the file says, an answer is a name or none.
class Symbols {
 public:
    static constexpr unsigned max_sections = 1024;
    static constexpr std::uint64_t max_table_bytes = 2 << 20;  ///< 87,381 symbols
    static constexpr std::size_t max_name = 256;               ///< bytes in the file; what is longer is cut
    /// A longer name stays as the compiler made it: its plain form can be exponentially long.
    static constexpr std::size_t max_demangled = 128;

    /// A run of code.
    struct Code {
        unsigned section{0};
        std::uint64_t address{0};
        std::uint64_t size{0};
        std::uint64_t offset{0};  ///< in the file
    };

    /// Errors `invalid_image`, in words that need no file's name: "it has no symbols".
    static Result<Symbols> read(ReadAt file);

    /// "guest::run(guest::System&)+0x12": the function, or the label of code written in assembler, that `address` is in.
    std::optional<std::string> name(std::uint64_t address) const;
    /// The same of what returns to `address`: a call may be the last instruction of its function.
    std::optional<std::string> caller(std::uint64_t address) const;

    const std::vector<Code>& code() const { return code_; }
    /// What the file has for the code at `address`; false: that is no code, or the file has less.
    bool read_code(std::uint64_t address, std::span<std::byte> into) const;

 private:
    struct Function {
        std::uint64_t address;
        std::uint64_t size;  ///< 0: up to the next one
        std::uint32_t name;
        std::uint32_t section;
    };

    explicit Symbols(ReadAt file) : file_(std::move(file)) {}
    const Code* code_at(std::uint64_t address) const;
    const Function* find(std::uint64_t address) const;
    std::optional<std::string> text_of(const Function& function) const;
    std::optional<std::string> describe(std::uint64_t looked_up, std::uint64_t address) const;

    ReadAt file_;
    std::vector<Code> code_;
    std::vector<Function> functions_;
    std::uint64_t names_at_{0};
    std::uint64_t names_size_{0};
};

}  // namespace split
