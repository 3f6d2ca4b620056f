// run.hpp: one run of the tuner, as ash.tune starts it, and what it took.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "ash/ladder.hpp"
#include "ash/records.hpp"
#include "sweep_file.hpp"

namespace ash::bench {

struct Plan {
    const Setting* setting;
    std::int64_t models;
    Algorithm algorithm;
    bool teams;
    int threads;

    std::string key() const;      // "seed, 128, ash, teams, 2"
    std::string outcome() const;  // "seed, 128, ash": what threads and teams must not change
};

struct Rung {
    std::int64_t jobs = 0;
    std::int64_t epochs = 0;  // of a job
    double seconds = 0.0;     // of all jobs, from start to end

    double mean() const { return seconds / static_cast<double>(jobs); }
};

struct Run {
    double wall = 0.0;          // seconds, from the start of the threads until they have ended
    double cpu = 0.0;           // seconds, of all threads of the process
    double core_seconds = 0.0;  // of all threads, in jobs
    std::int64_t epochs = 0;
    std::int64_t jobs = 0;
    std::map<std::int32_t, Rung> rungs;
    std::uint64_t digest = 0;
};

// XXH64 of all jobs in order of decision; 32 bytes a job: candidate and rung (int64), score (double, every NaN alike),
// hash of the weights. bench/sweep.py counts the same.
std::uint64_t outcome_digest(std::span<const JobRecord> jobs);

// Throws what the tuner throws. REQUIRES: the setting has so many candidates.
Run run(const Data& data, const Plan& plan);

}  // namespace ash::bench
