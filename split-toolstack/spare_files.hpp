// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "split-toolstack/spsc_ring.hpp"

namespace split {

/// Files that exist already and hold nothing of use, so that writing one costs no new inode: on ext4
/// making a file takes 20 us, and 150 where others were deleted in the last seconds (their inodes are not used again at
/// once); opening an old one takes 1, renaming it 2. They lie in a directory of their own, which is emptied at open and at the end.
class SpareFiles {
 public:
    static constexpr unsigned most = 512;

    struct Name {
        std::uint32_t number;
        char text[24];
    };

    /// In the directory `path`, which is made if it is missing.
    static base::Result<std::unique_ptr<SpareFiles>> open(const std::string& path);
    SpareFiles(const SpareFiles&) = delete;
    SpareFiles& operator=(const SpareFiles&) = delete;
    ~SpareFiles();

    /// The directory in which the names are.
    int dir() const { return dir_.get(); }
    /// The name of a spare file, whose old content is still in it, or where there is none a free name. Main thread.
    Name take();
    /// The file of a name that was taken is a spare one again. Main thread.
    void put_back(const Name& name);
    /// Makes the file `name` of the directory `from` a spare one: there it is gone then. False: not done. Main thread.
    bool keep(int from, const char* name);
    /// Makes one more file unless there are plenty. Refill thread.
    void stock();

 private:
    explicit SpareFiles(base::Fd dir) : dir_(std::move(dir)) {}

    base::Fd dir_;
    std::vector<std::uint32_t> kept_;            // main
    std::uint32_t next_kept_{0};                 // main: even numbers
    std::uint32_t next_stocked_{1};              // refill: odd numbers
    SpscRing<std::uint32_t, 2 * most> stocked_;  // refill -> main
    std::atomic<unsigned> count_{0};
};

}  // namespace split
