#include "times.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>

#include "run.hpp"

namespace ash::bench {
namespace {

constexpr std::int64_t kWarmUp = 32;  // models

struct Case {
    Plan plan;
    std::vector<Run> runs;
};

// One thread has nobody to help, so there are no teams of it.
std::vector<Case> cases_of(const Setting& setting, std::int64_t models, std::span<const std::int64_t> threads) {
    std::vector<Case> cases;
    for (const Algorithm algorithm : {Algorithm::sh, Algorithm::ash}) {
        for (const std::int64_t count : threads) {
            for (const bool teams : {false, true}) {
                if (teams && count == 1) continue;
                cases.push_back({{&setting, models, algorithm, teams, static_cast<int>(count)}, {}});
            }
        }
    }
    return cases;
}

std::vector<double> column(const Case& one, double Run::* field) {
    std::vector<double> values;
    for (const Run& run : one.runs) values.push_back(run.*field);
    return values;
}

std::string digest_text(std::uint64_t digest) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(digest));
    return text.data();
}

std::string by_rung(const Run& run, const std::function<std::string(const Rung&)>& value) {
    Results members;
    for (const auto& [rung, figures] : run.rungs) members.emplace_back(std::to_string(rung), value(figures));
    return object(members);
}

std::string json(const Case& one) {
    const Run& first = one.runs.front();
    std::string seconds;
    for (const Run& run : one.runs) {
        seconds += (seconds.empty() ? "[" : ", ") + by_rung(run, [](const Rung& rung) { return number(rung.mean()); });
    }
    return object({{"wall", list(column(one, &Run::wall))},
                   {"cpu_seconds", list(column(one, &Run::cpu))},
                   {"core_seconds", list(column(one, &Run::core_seconds))},
                   {"epochs", std::to_string(first.epochs)},
                   {"jobs", std::to_string(first.jobs)},
                   {"rung_epochs", by_rung(first, [](const Rung& rung) { return std::to_string(rung.epochs); })},
                   {"rung_jobs", by_rung(first, [](const Rung& rung) { return std::to_string(rung.jobs); })},
                   {"rung_seconds", seconds + "]"},
                   {"digest", json_text(digest_text(first.digest))}});
}

// Where somebody looks on: a line that the next one overwrites.
void show_progress(const std::string& key, std::size_t run, std::size_t runs) {
    if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[Krun %zu of %zu: %s", run, runs, key.c_str());
}

void end_progress() {
    if (isatty(STDERR_FILENO) != 0) std::fputs("\r\033[K", stderr);
}

void check(const Case& one, const Run& run, std::uint64_t expected) {
    if (run.digest == expected) return;
    end_progress();
    throw std::runtime_error(one.plan.key() + ": the outcome is " + digest_text(run.digest) + " and not " +
                             digest_text(expected) + ", that of the other runs of " + one.plan.outcome() +
                             ": nothing to time");
}

// The first run of each algorithm is the answer of all others.
void run_all(const Data& data, std::vector<Case>& cases, int repeats) {
    const std::size_t runs = static_cast<std::size_t>(repeats) * cases.size();
    for (int round = 0; round < repeats; ++round) {
        for (std::size_t i = 0; i < cases.size(); ++i) {  // every other round backwards
            Case& one = cases[round % 2 == 0 ? i : cases.size() - 1 - i];
            show_progress(one.plan.key(), static_cast<std::size_t>(round) * cases.size() + i + 1, runs);
            const Run done = run(data, one.plan);
            const auto answer = std::ranges::find_if(cases, [&](const Case& other) {
                return !other.runs.empty() && other.plan.algorithm == one.plan.algorithm;
            });
            if (answer != cases.end()) check(one, done, answer->runs.front().digest);
            one.runs.push_back(done);
        }
    }
    end_progress();
}

void show(const Case& one) {
    std::vector<double> wall = column(one, &Run::wall);
    std::ranges::sort(wall);
    std::fprintf(stderr, "%-34s %9.3f s, %.3f to %.3f\n", one.plan.key().c_str(), wall[wall.size() / 2], wall.front(),
                 wall.back());
}

}  // namespace

void measure_times(const Sweep& sweep, const Arguments& arguments, Results& results,
                   const std::function<void()>& keep) {
    for (const std::string& name : arguments.settings) {
        const Setting& setting = sweep.setting(name);
        const std::int64_t few = std::min(kWarmUp, arguments.models.front());
        for (Case& one : cases_of(setting, few, arguments.threads)) run(sweep.data, one.plan);
        for (const std::int64_t models : arguments.models) {
            std::vector<Case> cases = cases_of(setting, models, arguments.threads);
            run_all(sweep.data, cases, arguments.repeats);
            for (const Case& one : cases) {
                show(one);
                results.emplace_back(one.plan.key(), json(one));
            }
            keep();
        }
    }
}

}  // namespace ash::bench
