// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "guest-shims/frontends/system.hpp"
#include "guest-shims/net/site.hpp"

namespace guest {

/// Adds the files of the tar archive (net/tar.hpp) that is the first vbd: `./a/b.txt` as `/a/b.txt`, index.html also as
/// `/`. Reads all of it into memory, where it stays; waits for a vbd that is attached later. Returns what is wrong: empty
/// when all went well.
std::string_view add_disk_files(System& system, Site& site);

}  // namespace guest
