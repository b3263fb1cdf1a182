// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace base {

/// Runs `undo` at the end of the scope unless `dismiss`ed: rollback of the steps done so far.
template <class F>
class [[nodiscard]] ScopeGuard {
 public:
    explicit ScopeGuard(F undo) : undo_(std::move(undo)) {}
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;
    ~ScopeGuard() {
        if (armed_) {
            undo_();
        }
    }
    void dismiss() { armed_ = false; }

 private:
    F undo_;
    bool armed_{true};
};

}  // namespace base
