// SPDX-License-Identifier: Apache-2.0
// What a kernel finds out about its domain, whichever way it was started.
#pragma once

#include "xen_calls.hpp"

#include <xen/io/console.h>

namespace foreign {

struct Environment {
    const char* kind;          ///< as in the file's name
    const char* command_line;  ///< never null
    uint64_t memory_kib;
    xencons_interface* console;  ///< null: there is none
    evtchn_port_t console_port;  ///< 0: there is none
    bool xenstore;               ///< a page and an event channel of one
    unsigned long* pending;      ///< shared info: a bit per event channel
};

/// pvh.cpp, pv.cpp: `start_info` is what the entry was given.
Environment discover(unsigned long start_info);

}  // namespace foreign
