// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "chaos/cli/verb.hpp"

namespace chaos::cli {

std::unique_ptr<Verb> make_create();
std::unique_ptr<Verb> make_list();
std::unique_ptr<Verb> make_info();
std::unique_ptr<Verb> make_console();
std::unique_ptr<Verb> make_pause();
std::unique_ptr<Verb> make_unpause();
std::unique_ptr<Verb> make_shutdown();
std::unique_ptr<Verb> make_reboot();
std::unique_ptr<Verb> make_destroy();
std::unique_ptr<Verb> make_rename();
std::unique_ptr<Verb> make_attach();
std::unique_ptr<Verb> make_detach();
std::unique_ptr<Verb> make_network();
std::unique_ptr<Verb> make_forward();
std::unique_ptr<Verb> make_pool();
std::unique_ptr<Verb> make_events();
std::unique_ptr<Verb> make_top();
std::unique_ptr<Verb> make_config();
std::unique_ptr<Verb> make_daemon();
std::unique_ptr<Verb> make_version();

}  // namespace chaos::cli
