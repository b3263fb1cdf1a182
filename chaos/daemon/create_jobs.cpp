// SPDX-License-Identifier: Apache-2.0
#include "chaos/daemon/create_jobs.hpp"

#include <algorithm>
#include <utility>

#include "chaos/daemon/render.hpp"

namespace chaos {

namespace {
constexpr std::size_t undone_per_turn = 16;
constexpr std::chrono::milliseconds progress_interval{100};
}  // namespace

// Hot path for one guest with a warm pool: everything up to the start happens in this call.
void CreateJobs::start(CreateRequest request) {
    const JobId id = ++last_id_;
    auto job = std::make_unique<Job>();
    job->next_progress = request.received + progress_interval;
    job->made.reserve(request.count);
    job->request = std::move(request);
    jobs_.emplace(id, std::move(job));
    step(id);
}

void CreateJobs::step(JobId id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || found->second->error) {
        return;
    }
    Job& job = *found->second;
    if (auto made = make_one(id, job); !made) {
        fail(id, job, std::move(made).error());
        return;
    }
    report(job);
    advance(id, job);
}

Result<void> CreateJobs::make_one(JobId id, Job& job) {
    CreateRequest& request = job.request;
    const std::size_t index = job.made.size();
    const bool first = index == 0;
    const auto begin = first ? request.received : Clock::now();
    const auto caller =
        index + 1 == request.count && request.wait_ready ? hypervisor::Caller::waits : hypervisor::Caller::goes_on;
    const auto make = [&](const split::VmConfig& config) {
        return toolstack_->create(config, begin, first ? request.parse_ns : 0, caller);
    };
    Result<base::DomId> domain = base::DomId{};
    if (request.numbered) {
        split::VmConfig config = request.config;
        config.name.append("-").append(std::to_string(index + 1));
        domain = make(config);
    } else {
        domain = make(request.config);
    }
    if (!domain) {
        return std::unexpected(std::move(domain).error());
    }
    job.made.push_back({*domain, {}});
    const bool loading = !toolstack_->is_created(*domain);
    const bool waiting = loading || (request.wait_ready && !toolstack_->is_ready(*domain));
    job.loading += loading ? 1 : 0;
    places_.insert_or_assign(domain->value, Place{id, index, waiting});
    if (!waiting) {
        settle(job, index);
    }
    return {};
}

void CreateJobs::settle(Job& job, std::size_t index) {
    describe(job.made[index]);
    ++job.settled;
}

void CreateJobs::describe(Made& made) {
    made.json.clear();
    json::Writer writer(made.json);
    if (const auto view = toolstack_->view(made.id)) {
        write_created(writer, *view);
    } else {
        writer.begin_object().member("id", made.id.value).end_object();
    }
}

void CreateJobs::advance(JobId id, Job& job) {
    if (job.made.size() < job.request.count) {
        host_.post([this, id] { step(id); });
    } else if (job.settled == job.made.size()) {
        finish(id, job);
    } else if (!job.deadline && job.loading == 0 && job.request.wait_ready) {
        job.deadline = Clock::now() + job.request.timeout;
        host_.wake_at(*job.deadline);
    }
}

void CreateJobs::finish(JobId id, Job& job) {
    clients_.reply(job.request.client, job.request.request_id, [&](json::Writer& writer) {
        writer.begin_object().key("domains").begin_array();
        for (const Made& made : job.made) {
            writer.raw(made.json);
        }
        writer.end_array().end_object();
    });
    forget(id);
}

void CreateJobs::forget(JobId id) {
    for (const Made& made : jobs_.at(id)->made) {
        places_.erase(made.id.value);
    }
    jobs_.erase(id);
}

/// A foreign kernel is in.
void CreateJobs::on_created(base::DomId domain) {
    const auto found = places_.find(domain.value);
    if (found == places_.end() || !found->second.waiting) {
        return;
    }
    const JobId id = found->second.job;
    Job& job = *jobs_.at(id);
    job.loading -= job.loading == 0 ? 0 : 1;
    if (!job.request.wait_ready) {
        settle_waiting(found->second);
    } else if (job.made.size() == job.request.count) {
        advance(id, job);
    }
}

void CreateJobs::on_ready(base::DomId domain) {
    const auto found = places_.find(domain.value);
    if (found != places_.end() && found->second.waiting) {
        settle_waiting(found->second);
    }
}

void CreateJobs::settle_waiting(Place& waiting) {
    waiting.waiting = false;
    const Place place = waiting;
    Job& job = *jobs_.at(place.job);
    settle(job, place.index);
    report(job);
    if (job.made.size() == job.request.count && job.settled == job.made.size()) {
        finish(place.job, job);
    }
}

void CreateJobs::on_end(base::DomId domain, base::Code why, const std::string& how) {
    const auto found = places_.find(domain.value);
    if (found == places_.end() || !found->second.waiting) {
        return;
    }
    const JobId id = found->second.job;
    const bool ran = why == base::Code::guest_died;
    fail(id, *jobs_.at(id),
         base::Error{why, 0,
                     ran ? "domain " + std::to_string(domain.value) + " ended before it was ready: " + how : how});
}

void CreateJobs::on_successor(base::DomId domain, base::DomId successor) {
    if (auto node = places_.extract(domain.value)) {
        Made& made = jobs_.at(node.mapped().job)->made[node.mapped().index];
        made.id = successor;
        if (!made.json.empty()) {
            describe(made);
        }
        node.key() = successor.value;
        places_.insert(std::move(node));
    }
}

void CreateJobs::on_gone(base::DomId domain) {
    if (const auto found = places_.find(domain.value); found != places_.end()) {
        jobs_.at(found->second.job)->made[found->second.index].id = base::dom0;
        places_.erase(found);
    }
}

void CreateJobs::fail(JobId id, Job& job, base::Error error) {
    if (job.error) {
        return;
    }
    job.error = std::move(error);
    job.deadline.reset();
    for (const Made& made : job.made) {
        if (const auto found = places_.find(made.id.value); found != places_.end()) {
            found->second.waiting = false;
        }
    }
    if (job.made.empty()) {
        undo_some(id);
    } else {
        host_.post([this, id] { undo_some(id); });
    }
}

void CreateJobs::undo_some(JobId id) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) {
        return;
    }
    Job& job = *found->second;
    for (std::size_t i = 0; i < undone_per_turn && !job.made.empty() && toolstack_ != nullptr; ++i) {
        const base::DomId domain = job.made.back().id;
        job.made.pop_back();
        places_.erase(domain.value);
        if (domain != base::dom0) {
            (void)toolstack_->destroy(domain);  // it may have ended meanwhile: what counts is that it is gone
        }
    }
    if (!job.made.empty() && toolstack_ != nullptr) {
        host_.post([this, id] { undo_some(id); });
        return;
    }
    clients_.fail(job.request.client, job.request.request_id, *job.error, "\"created\":0");
    forget(id);
}

void CreateJobs::client_gone(ClientId client) {
    std::vector<JobId> gone;
    for (const auto& [id, job] : jobs_) {
        if (job->request.client == client && job->made.size() < job->request.count) {
            gone.push_back(id);
        }
    }
    for (const JobId id : gone) {
        fail(id, *jobs_.at(id), base::Error{base::Code::unavailable, 0, "the client is gone"});
    }
}

void CreateJobs::expire(Clock::time_point now) {
    std::vector<JobId> late;
    for (const auto& [id, job] : jobs_) {
        if (job->deadline && *job->deadline <= now) {
            late.push_back(id);
        }
    }
    for (const JobId id : late) {
        Job& job = *jobs_.at(id);
        fail(id, job,
             base::Error{base::Code::timed_out, 0,
                         std::to_string(job.made.size() - job.settled) + " of " + std::to_string(job.made.size()) +
                             " guests were not ready after " + std::to_string(job.request.timeout.count()) + " ms"});
    }
}

std::optional<Clock::time_point> CreateJobs::deadline() const {
    std::optional<Clock::time_point> first;
    for (const auto& [id, job] : jobs_) {
        if (job->deadline && (!first || *job->deadline < *first)) {
            first = job->deadline;
        }
    }
    return first;
}

void CreateJobs::fail_all(const base::Error& error) {
    places_.clear();
    for (const auto& [id, job] : jobs_) {
        clients_.fail(job->request.client, job->request.request_id, job->error ? *job->error : error, "\"created\":0");
    }
    jobs_.clear();
}

void CreateJobs::report(Job& job) {
    if (!job.request.progress || Clock::now() < job.next_progress) {
        return;
    }
    job.next_progress = Clock::now() + progress_interval;
    clients_.notify(job.request.client, "progress", [&](json::Writer& writer) {
        writer.begin_object()
            .key("request")
            .raw(job.request.request_id.empty() ? "null" : job.request.request_id)
            .member("created", job.made.size())
            .member("ready", job.settled)
            .member("count", job.request.count)
            .end_object();
    });
}

}  // namespace chaos
