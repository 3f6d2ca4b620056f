#include "run.hpp"

#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>

#include "ash/digest.hpp"
#include "ash/kernels/kernels.hpp"
#include "ash/tuner.hpp"

namespace ash::bench {
namespace {

constexpr std::uint64_t kSeed = 0;
constexpr std::int64_t kEta = 2;
constexpr std::int64_t kMinEpochs = 1;
constexpr std::int64_t kNoMemoryLimit = 0;
constexpr double kLongWait = 60.0;

double cpu_seconds() {
    std::timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Run summed_up(std::span<const JobRecord> jobs) {
    Run run;
    for (const JobRecord& job : jobs) {
        ++run.jobs;
        run.epochs += job.task.job.epochs;
        run.core_seconds += job.core_seconds;
        Rung& rung = run.rungs[job.task.job.rung];
        ++rung.jobs;
        rung.epochs = job.task.job.epochs;
        rung.seconds += job.end - job.start;
    }
    run.digest = outcome_digest(jobs);
    return run;
}

}  // namespace

std::string Plan::outcome() const {
    return setting->name + ", " + std::to_string(models) + ", " + (algorithm == Algorithm::sh ? "sh" : "ash");
}

std::string Plan::key() const { return outcome() + (teams ? ", teams, " : ", no teams, ") + std::to_string(threads); }

std::uint64_t outcome_digest(std::span<const JobRecord> jobs) {
    std::vector<std::uint64_t> words;
    for (const JobRecord& job : jobs) {
        const double score = std::isnan(job.score) ? std::numeric_limits<double>::quiet_NaN() : job.score;
        words.push_back(static_cast<std::uint64_t>(job.task.job.candidate));
        words.push_back(static_cast<std::uint64_t>(job.task.job.rung));
        words.push_back(std::bit_cast<std::uint64_t>(score));
        words.push_back(job.weights_hash);
    }
    std::vector<float> halves(2 * words.size());  // as digest() takes them; no arithmetic is done on them
    if (!words.empty()) std::memcpy(halves.data(), words.data(), words.size() * sizeof(std::uint64_t));
    return digest(halves);
}

Run run(const Data& data, const Plan& plan) {
    const std::vector<Settings>& all = plan.setting->candidates;
    const TunerSettings settings{
        .ladder = {.candidates = plan.models, .eta = kEta, .min_epochs = kMinEpochs, .algorithm = plan.algorithm},
        .threads = plan.threads,
        .teams = plan.teams};
    Tuner tuner(std::make_unique<NetworkCandidates>(data, std::vector<Settings>(all.begin(), all.begin() + plan.models),
                                                    plan.models, plan.setting->training, Metric::accuracy, kSeed,
                                                    kernels(""), plan.threads, kMinEpochs, kEta, kNoMemoryLimit),
                settings);
    const double cpu = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    tuner.start();
    while (!tuner.wait(kLongWait)) continue;
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    const double cpu_end = cpu_seconds();
    Run done = summed_up(tuner.jobs());
    done.wall = wall.count();
    done.cpu = cpu_end - cpu;
    return done;
}

}  // namespace ash::bench
