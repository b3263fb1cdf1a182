// SPDX-License-Identifier: Apache-2.0
#include "split-toolstack/state_dir.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "split-toolstack/words.hpp"

namespace split {

namespace {

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

Result<void> make_dir(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) {
        return {};
    }
    const int err = errno;
    struct stat st {};
    if (err == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
        return {};
    }
    return base::fail_errno(err, words("state directory '", path, "'"));
}

}  // namespace

Result<void> make_private_dir(const std::string& path) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        BASE_TRY(make_dir(path.substr(0, at), 0755));
    }
    return make_dir(path, 0700);
}

Result<std::vector<std::string>> list_dir(const std::string& path) {
    const std::unique_ptr<DIR, CloseDir> dir(::opendir(path.c_str()));
    if (!dir) {
        return base::fail_errno(errno, words("state directory '", path, "'"));
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    return names;
}

}  // namespace split
