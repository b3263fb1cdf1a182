// SPDX-License-Identifier: Apache-2.0
#include "chaos/cli/verbs/verbs.hpp"

namespace chaos::cli {

std::vector<std::unique_ptr<Verb>> all_verbs() {
    std::vector<std::unique_ptr<Verb>> verbs;
    verbs.push_back(make_create());
    verbs.push_back(make_list());
    verbs.push_back(make_info());
    verbs.push_back(make_console());
    verbs.push_back(make_pause());
    verbs.push_back(make_unpause());
    verbs.push_back(make_shutdown());
    verbs.push_back(make_reboot());
    verbs.push_back(make_destroy());
    verbs.push_back(make_rename());
    verbs.push_back(make_attach());
    verbs.push_back(make_detach());
    verbs.push_back(make_network());
    verbs.push_back(make_forward());
    verbs.push_back(make_pool());
    verbs.push_back(make_events());
    verbs.push_back(make_top());
    verbs.push_back(make_config());
    verbs.push_back(make_daemon());
    verbs.push_back(make_version());
    return verbs;
}

}  // namespace chaos::cli
