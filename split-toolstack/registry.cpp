// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/registry.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "base/log.hpp"
#include "split-toolstack/file_source.hpp"
#include "split-toolstack/state_dir.hpp"
#include "split-toolstack/words.hpp"

namespace split {

namespace {

constexpr base::Bytes max_record = base::mib(1);
/// Records are padded to whole blocks: an old file is then mostly of the right size already. Truncating a file to zero
/// and writing it anew makes ext4 write it out at the close, which takes milliseconds.
constexpr std::size_t record_block = 1024;
constexpr std::string_view record_suffix = ".json";
constexpr std::string_view damaged_suffix = ".damaged";

/// "<id><suffix>" without an allocation.
struct FileName {
    char text[16];
    FileName(base::DomId id, std::string_view suffix) {
        char* end = std::to_chars(text, text + 6, id.value).ptr;
        end[suffix.copy(end, suffix.size())] = '\0';
    }
};

}  // namespace

Registry::Registry(std::string dir, base::Fd fd, std::unique_ptr<SpareFiles> spares)
    : dir_(std::move(dir)), fd_(std::move(fd)), spares_(std::move(spares)) {
    buffer_.reserve(4096);
}

Result<Registry> Registry::open(const std::string& state_dir) {
    std::string dir = state_dir + "/domains";
    BASE_TRY(make_private_dir(dir));
    base::Fd fd(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        return base::fail_errno(errno, words("registry '", dir, "'"));
    }
    BASE_ASSIGN(auto spares, SpareFiles::open(state_dir + "/spare"));
    return Registry(std::move(dir), std::move(fd), std::move(spares));
}

Result<std::vector<Record>> Registry::load() {
    std::vector<Record> records;
    BASE_ASSIGN(const auto names, list_dir(dir_));
    for (const auto& name : names) {
        if (name.ends_with(damaged_suffix)) {
            continue;
        }
        auto record = read(name);
        if (record) {
            records.push_back(*std::move(record));
        } else {
            move_aside(name, record.error().message);
        }
    }
    return records;
}

Result<Record> Registry::read(const std::string& name) const {
    if (!name.ends_with(record_suffix)) {
        return base::fail(base::Code::protocol_error, "it is not a domain's record");
    }
    BASE_ASSIGN(const auto file, read_file("record", dir_ + "/" + name, max_record));
    BASE_ASSIGN(auto record, parse_record({reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()}));
    if (name != FileName(record.id, record_suffix).text) {
        return base::fail(base::Code::protocol_error, words("it describes domain ", record.id.value));
    }
    return record;
}

void Registry::move_aside(const std::string& name, std::string_view why) const {
    const std::string aside = words(name, damaged_suffix);
    const bool moved = ::renameat(fd_.get(), name.c_str(), fd_.get(), aside.c_str()) == 0;
    base::log(base::Level::warn, words("registry: '", dir_, "/", name, "': ", why,
                                       moved ? "; moved aside to " : "; could not be moved to ", aside));
}

Result<void> Registry::write(const char* name) const {
    const base::Fd file(::openat(spares_->dir(), name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) {
        return base::fail_errno(errno, words("registry '", dir_, "/", name, "'"));
    }
    std::string_view rest = buffer_;
    while (!rest.empty()) {
        const ssize_t n = ::write(file.get(), rest.data(), rest.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return base::fail_errno(errno, words("registry '", dir_, "/", name, "'"));
        }
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
    return cut(file.get());
}

Result<void> Registry::cut(int file) const {
    struct stat st {};
    const auto size = static_cast<off_t>(buffer_.size());
    if (::fstat(file, &st) != 0 || (st.st_size > size && ::ftruncate(file, size) != 0)) {
        return base::fail_errno(errno, words("registry '", dir_, "'"));
    }
    return {};
}

Result<void> Registry::save(const Record& record) {
    buffer_.clear();
    render_record(record, buffer_);
    buffer_.resize((buffer_.size() / record_block + 1) * record_block, ' ');
    buffer_.back() = '\n';
    const SpareFiles::Name tmp = spares_->take();
    const FileName name(record.id, record_suffix);
    auto written = write(tmp.text);
    if (written) {
        written = put(tmp, name.text);
    }
    if (!written) {
        ::unlinkat(spares_->dir(), tmp.text, 0);
    }
    return written;
}

Result<void> Registry::put(const SpareFiles::Name& tmp, const char* name) {
    const int spare = spares_->dir();
    const int dir = fd_.get();
    if (::renameat2(spare, tmp.text, dir, name, RENAME_NOREPLACE) == 0) {
        return {};
    }
    // Exchanged, not replaced: ext4 writes out a file that replaces another one, which takes milliseconds.
    if (errno == EEXIST && ::renameat2(spare, tmp.text, dir, name, RENAME_EXCHANGE) == 0) {
        spares_->put_back(tmp);
        return {};
    }
    if (errno == EINVAL && ::renameat(spare, tmp.text, dir, name) == 0) {
        return {};  // a file system that can do neither
    }
    return base::fail_errno(errno, words("registry '", dir_, "/", name, "'"));
}

Result<void> Registry::remove(base::DomId id) {
    const FileName name(id, record_suffix);
    if (!spares_->keep(fd_.get(), name.text) && ::unlinkat(fd_.get(), name.text, 0) != 0 && errno != ENOENT) {
        return base::fail_errno(errno, words("registry '", dir_, "/", name.text, "'"));
    }
    return {};
}

}  // namespace split
