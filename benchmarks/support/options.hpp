// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace bench {

/// `--key value` arguments over `defaults`; prints what is known and exits with 2 on anything else.
class Options {
 public:
    Options(int argc, char** argv, std::map<std::string, std::string> defaults);
    unsigned number(const std::string& key) const;
    const std::string& text(const std::string& key) const { return values_.at(key); }

 private:
    std::map<std::string, std::string> values_;
};

}  // namespace bench
