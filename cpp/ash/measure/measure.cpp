#include "ash/measure/measure.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "ash/train/team.hpp"
#include "ash/train/trainer.hpp"

namespace ash {
namespace {

template <typename Function>
double seconds_of(Function function) {
    const auto start = std::chrono::steady_clock::now();
    function();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A cache line that two threads pass back and forth, to measure the time of a round trip.
class Line {
  public:
    // Returns the seconds per round trip.
    double ping() {
        const double seconds = seconds_of([this] {
            for (int round = 0; round < kRounds; ++round) {
                turn_ = 2 * round + 1;
                while (turn_ != 2 * round + 2) continue;
            }
        });
        return seconds / kRounds;
    }
    void pong(const std::atomic<bool>& over) {
        for (int round = 0; round < kRounds; ++round) {
            while (turn_ != 2 * round + 1) {
                if (over) return;
            }
            turn_ = 2 * round + 2;
        }
    }

  private:
    static constexpr int kRounds = 20'000;
    alignas(64) std::atomic<int> turn_{0};
};

template <typename Function>
class AtExit {
  public:
    explicit AtExit(Function function) : function_(function) {}
    AtExit(const AtExit&) = delete;
    AtExit& operator=(const AtExit&) = delete;
    ~AtExit() { function_(); }

  private:
    Function function_;
};

// Runs updates of one candidate repeatedly and measures their time.
class Steps {
  public:
    Steps(const Data& data, const Settings& settings, std::int64_t steps, const Kernels& kernels)
        : data_(data),
          settings_(settings),
          kernels_(kernels),
          state_(initial_state(data.shape(), settings, 0, 0)),
          workspace_(data, {&settings, 1}) {
        const std::int64_t batch = batch_rows(settings, data);
        epoch_ = (epochs_of(settings, data).rows() + batch - 1) / batch;
        epochs_ = (steps + epoch_ - 1) / epoch_;
    }

    // Trains once more, with the helpers of `team` unless it is null. Returns the seconds per update.
    double run(Team* team) {
        const Training training{.epochs = epochs_, .seed = 0, .candidate = 0, .team = team};
        const double run = seconds_of([&] { train(data_, settings_, training, kernels_, state_, workspace_); });
        return run / static_cast<double>(epochs_ * epoch_);
    }

  private:
    const Data& data_;
    const Settings& settings_;
    const Kernels& kernels_;
    State state_;
    Workspace workspace_;
    std::int64_t epoch_;   // updates per epoch
    std::int64_t epochs_;  // epochs per run
};

}  // namespace

double fma_peak(const Kernels& kernels, double seconds) {
    constexpr std::int64_t kVectors = 24 * 100'000;
    constexpr int kOperations = 2;  // operations per fused multiply-add: a multiplication and an addition
    double best = 0.0;
    double spent = 0.0;
    volatile float sink = 0.0F;  // receives the results, since the compiler could otherwise remove the work
    while (spent < seconds) {
        const double run = seconds_of([&] { sink = sink + kernels.peak(kVectors); });
        best = std::max(best, kOperations * static_cast<double>(kVectors) * kernels.lanes / run);
        spent += run;
    }
    return best / 1e9;
}

std::vector<double> time_steps(const Data& data, const Settings& settings, std::int64_t steps, int repeats,
                               const Kernels& kernels) {
    Steps job(data, settings, steps, kernels);
    std::vector<double> times;
    times.reserve(static_cast<std::size_t>(repeats));
    for (int repeat = 0; repeat < repeats; ++repeat) times.push_back(job.run(nullptr));
    return times;
}

TeamTimes time_team(const Data& data, const Settings& settings, std::int64_t steps, int repeats, int threads,
                    const Kernels& kernels) {
    TeamTimes times;
    std::atomic<std::uint32_t> bell{0};
    std::atomic<std::int64_t> blocks{0};
    std::atomic<bool> over{false};
    Team team(bell);
    Line line;
    const auto help = [&](bool first, Workspace& scratch) {
        if (first) line.pong(over);
        while (!over) {
            if (team.is_open()) blocks += team.help(team.invitation(bell), scratch).blocks;
            std::this_thread::yield();
        }
    };
    Steps job(data, settings, steps, kernels);
    const auto members = static_cast<std::size_t>(threads - 1);
    std::vector<Workspace> scratches(members, Workspace(data, {&settings, 1}));
    std::vector<std::thread> helpers;
    helpers.reserve(members);
    {
        const AtExit end([&] {
            over = true;
            for (std::thread& helper : helpers) helper.join();
        });
        for (Workspace& scratch : scratches) helpers.emplace_back([&] { help(&scratch == scratches.data(), scratch); });
        times.round_trip = line.ping();
        for (int repeat = 0; repeat < repeats; ++repeat) {
            times.alone.push_back(job.run(nullptr));
            team.open(threads - 1, [](void*) {}, nullptr);
            times.shared.push_back(job.run(&team));
            team.close();
        }
    }
    times.blocks = blocks;
    return times;
}

}  // namespace ash
