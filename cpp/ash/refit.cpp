#include "ash/refit.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>

#include "ash/parallel.hpp"
#include "ash/trainer.hpp"
#include "ash/workspace.hpp"

namespace ash {
namespace {

constexpr std::chrono::milliseconds kLook = std::chrono::milliseconds(20);

void run(const Data& data, RefitJob& job, std::uint64_t seed, const Kernels& kernels, const std::atomic<bool>& stop,
         Workspace& workspace) {
    workspace.prepare(data, job.settings);
    const Training training{.epochs = job.epochs, .seed = seed, .candidate = job.candidate, .stop = &stop};
    const Outcome outcome = train(data, job.settings, training, kernels, job.state, workspace);
    job.done = !outcome.stopped && !outcome.diverged;
}

}  // namespace

void refit(const Data& data, std::span<RefitJob> jobs, std::uint64_t seed, const Kernels& kernels, int threads,
           const std::function<bool()>& stop) {
    if (jobs.empty()) return;
    std::atomic<bool> stopped{false};
    std::atomic<std::size_t> next{0};
    const auto team = static_cast<int>(std::min(jobs.size(), static_cast<std::size_t>(threads)));
    std::future<void> all = std::async(std::launch::async, [&] {
        parallel(team, [&](int) {
            Workspace workspace;
            for (std::size_t job = next++; job < jobs.size() && !stopped; job = next++)
                run(data, jobs[job], seed, kernels, stopped, workspace);
        });
    });
    try {
        while (all.wait_for(kLook) != std::future_status::ready) stopped = stopped || stop();
    } catch (...) {
        stopped = true;
        all.wait();
        throw;
    }
    all.get();
}

}  // namespace ash
