// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target once on every file below the folders and files named on the command line.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

bool replay(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "replay: can't read %s\n", path.c_str());
        return false;
    }
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    std::printf("%s (%zu bytes)\n", path.c_str(), bytes.size());
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    return true;
}

std::vector<fs::path> inputs_of(const fs::path& root) {
    std::error_code failed;
    if (!fs::is_directory(root, failed)) {
        return {root};
    }
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(root, failed)) {
        if (entry.is_regular_file(failed)) {
            files.push_back(entry.path());
        }
    }
    return files;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t runs = 0;
    bool good = true;
    for (int i = 1; i < argc; ++i) {
        for (const fs::path& input : inputs_of(argv[i])) {
            good = replay(input) && good;
            ++runs;
        }
    }
    std::printf("replay: %zu inputs\n", runs);
    if (runs == 0) {
        std::fprintf(stderr, "replay: no input; usage: replay FILE_OR_FOLDER...\n");
    }
    return good && runs > 0 ? 0 : 1;
}
