// SPDX-License-Identifier: Apache-2.0
#include "chaos/config/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/fd.hpp"

namespace chaos {

namespace {

base::Result<void> make_directory(const std::string& directory, mode_t mode) {
    if (::mkdir(directory.c_str(), mode) != 0 && errno != EEXIST) {
        return base::fail_errno(errno, "cannot make the directory '" + directory + "'");
    }
    return {};
}

}  // namespace

base::Result<void> make_private_directory(const std::string& directory) {
    constexpr mode_t private_mode = 0700;
    constexpr mode_t parent_mode = 0755;
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0) {
        for (std::size_t slash = directory.find('/', 1); slash != std::string::npos;
             slash = directory.find('/', slash + 1)) {
            BASE_TRY(make_directory(directory.substr(0, slash), parent_mode));
        }
        BASE_TRY(make_directory(directory, private_mode));
        if (::stat(directory.c_str(), &status) != 0) {
            return base::fail_errno(errno, "'" + directory + "'");
        }
    }
    if (!S_ISDIR(status.st_mode)) {
        return base::fail(base::Code::bad_state, "'" + directory + "' is no directory");
    }
    if (status.st_uid != ::geteuid()) {
        return base::fail(base::Code::permission_denied, "the directory '" + directory + "' belongs to user " +
                                                             std::to_string(status.st_uid) + "; expected one of ours");
    }
    return {};
}

base::Result<std::string> read_config_file(const std::string& path, std::string_view label) {
    const std::string name(label);
    // O_NONBLOCK: a FIFO must not hang the reader.
    const base::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file && errno == EACCES) {
        return base::fail(base::Code::invalid_config, name + ": Permission denied; expected a readable file");
    }
    if (!file) {
        return base::fail_errno(errno, name);
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        return base::fail_errno(errno, name);
    }
    if (!S_ISREG(status.st_mode)) {
        return base::fail(base::Code::invalid_config,
                          name + (S_ISDIR(status.st_mode) ? ": is a directory" : ": is no regular file") +
                              "; expected a configuration file");
    }
    if (static_cast<std::size_t>(status.st_size) > max_config_bytes) {
        return base::fail(base::Code::invalid_config,
                          name + ": has " + std::to_string(status.st_size) + " bytes; expected at most 1 MiB");
    }
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t have = 0;
    while (have < text.size()) {
        const ssize_t got = ::read(file.get(), text.data() + have, text.size() - have);
        if (got < 0 && errno != EINTR) {
            return base::fail_errno(errno, name);
        }
        if (got == 0) {
            break;
        }
        have += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    text.resize(have);
    return text;
}

std::string absolute_path(std::string_view path, std::string_view directory) {
    if (path.starts_with('/')) {
        return std::string(path);
    }
    std::string absolute(directory);
    absolute += absolute.ends_with('/') ? "" : "/";
    return absolute.append(path);
}

std::string directory_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string_view::npos) {
        return ".";
    }
    return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

std::string folder_of_file(const std::string& path) {
    return directory_of(path.starts_with('/') ? path : absolute_path(path, working_directory()));
}

std::string working_directory() {
    char buffer[PATH_MAX];
    return ::getcwd(buffer, sizeof buffer) == nullptr ? std::string("/") : std::string(buffer);
}

}  // namespace chaos
