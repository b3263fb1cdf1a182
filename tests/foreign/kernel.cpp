// SPDX-License-Identifier: Apache-2.0
// What all of these kernels do: say on the Xen console what they found, then end as the command line says.
//
//   then=poweroff|reboot|crash|fault|spin|echo     (default poweroff)
//
// echo: each line comes back as "echo: LINE"; the line "exit" powers off, the line "reboot" reboots.
#include "console.hpp"

namespace foreign {

namespace {

bool equal(const char* a, const char* b) {
    while (*a != '\0' && *a == *b) {
        ++a, ++b;
    }
    return *a == *b;
}

/// Whether the word that begins at `text` is `word`.
bool is_word(const char* text, const char* word) {
    while (*word != '\0' && *text == *word) {
        ++text, ++word;
    }
    return *word == '\0' && (*text == '\0' || *text == ' ');
}

/// What follows "then=" on the command line, or "poweroff".
const char* what_then(const char* command_line) {
    for (const char* at = command_line; *at != '\0'; ++at) {
        const bool begins = at == command_line || at[-1] == ' ';
        const char* key = "then=";
        const char* value = at;
        while (begins && *key != '\0' && *value == *key) {
            ++key, ++value;
        }
        if (*key == '\0') {
            return value;
        }
    }
    return "poweroff";
}

void greet(Console& console, const Environment& environment) {
    console.print("foreign kernel: ");
    console.print(environment.kind);
    console.print("\ncommand line: ");
    console.print(environment.command_line);
    console.print("\nmemory: ");
    console.print(environment.memory_kib);
    console.print(" KiB\nxenstore: ");
    console.print(environment.xenstore ? "there is one" : "none");
    console.print("\nhere I am\n");
}

[[noreturn]] void echo(Console& console) {
    char line[512];
    for (unsigned length = 0;;) {
        const char byte = console.read();
        if (byte != '\n' && byte != '\r') {
            line[length] = byte;
            length += length + 1 < sizeof line ? 1 : 0;
            continue;
        }
        line[length] = '\0';
        length = 0;
        console.print("echo: ");
        console.print(line);
        console.print("\n");
        if (equal(line, "exit") || equal(line, "reboot")) {
            shut_down(equal(line, "exit") ? SHUTDOWN_poweroff : SHUTDOWN_reboot);
        }
    }
}

}  // namespace

extern "C" [[noreturn]] void foreign_main(unsigned long start_info) {
    const Environment environment = discover(start_info);
    Console console(environment);
    greet(console, environment);
    const char* const then = what_then(environment.command_line);
    if (is_word(then, "echo") && environment.console != nullptr) {
        echo(console);
    } else if (is_word(then, "spin")) {
        for (;;) {
            asm volatile("pause");
        }
    } else if (is_word(then, "fault")) {
        asm volatile("ud2");  // no handler
    } else if (is_word(then, "reboot")) {
        shut_down(SHUTDOWN_reboot);
    } else if (is_word(then, "crash")) {
        shut_down(SHUTDOWN_crash);
    }
    shut_down(SHUTDOWN_poweroff);
}

}  // namespace foreign
