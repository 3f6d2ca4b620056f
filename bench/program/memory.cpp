#include "memory.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>

#include "allocations.hpp"
#include "ash/evaluation.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/trainer.hpp"
#include "run.hpp"

namespace ash::bench {
namespace {

constexpr std::int64_t kFewEpochs = 2;
constexpr std::int64_t kManyEpochs = 10;

// By a job of so many epochs, its score included, in a workspace that the candidate has used before.
std::int64_t bytes_of_job(const Data& data, const Settings& settings, std::int64_t epochs, Workspace& workspace) {
    State state = initial_state(data.shape(), settings, 0, 0);
    start_counting();
    train(data, settings, {.epochs = epochs, .seed = 0, .candidate = 0}, kernels(""), state, workspace);
    evaluate(data, state, Metric::accuracy, kernels(""), nullptr, workspace);
    return stop_counting().bytes;
}

// What one more epoch allocates in a job under way: the difference of two jobs.
double bytes_of_epoch(const Data& data, const Settings& settings) {
    Workspace workspace(data, {&settings, 1});
    workspace.prepare(data, settings);
    bytes_of_job(data, settings, 1, workspace);
    const std::int64_t few = bytes_of_job(data, settings, kFewEpochs, workspace);
    const std::int64_t many = bytes_of_job(data, settings, kManyEpochs, workspace);
    return static_cast<double>(many - few) / static_cast<double>(kManyEpochs - kFewEpochs);
}

std::string json(const Run& run, const Allocated& allocated, double further_epoch) {
    return object({{"trainings", std::to_string(run.jobs)},
                   {"epochs", std::to_string(run.epochs)},
                   {"calls", std::to_string(allocated.calls)},
                   {"bytes", std::to_string(allocated.bytes)},
                   {"peak_bytes", std::to_string(allocated.peak_bytes)},
                   {"further_epoch_bytes", number(further_epoch)}});
}

}  // namespace

void measure_allocations(const Sweep& sweep, Results& results) {
    const Setting& setting = sweep.setting("seed");
    for (const std::int64_t models : {2, 4, 8, 16, 32}) {
        double further_epoch = 0.0;
        for (std::int64_t candidate = 0; candidate < models; ++candidate) {
            const Settings& settings = setting.candidates[static_cast<std::size_t>(candidate)];
            further_epoch = std::max(further_epoch, bytes_of_epoch(sweep.data, settings));
        }
        const Plan plan{&setting, models, Algorithm::ash, false, 1};
        start_counting();
        const Run done = run(sweep.data, plan);
        const Allocated allocated = stop_counting();
        const std::string key = "allocations, " + std::to_string(models);
        std::fprintf(stderr, "%-16s %12lld bytes in %lld epochs\n", key.c_str(),
                     static_cast<long long>(allocated.bytes), static_cast<long long>(done.epochs));
        results.emplace_back(key, json(done, allocated, further_epoch));
    }
}

}  // namespace ash::bench
