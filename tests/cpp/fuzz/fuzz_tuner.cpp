// Reads the states, results and steps of an earlier run from fuzzed bytes. Either they are refused, or a tuner resumes
// from them and finishes.
//
//     cmake --preset fuzz && cmake --build --preset fuzz
//     build/fuzz/tests/cpp/fuzz_tuner -max_total_time=60 build/fuzz/tuner tests/cpp/fuzz/corpus/tuner

#include <cstdlib>
#include <memory>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "ash/data/data.hpp"
#include "ash/run/candidates.hpp"
#include "ash/run/tuner.hpp"
#include "fuzz/choices.hpp"

namespace {

using namespace ash;
using ash::fuzzing::accepted;
using ash::fuzzing::Choices;

Data make_data() {
    constexpr int kRows = 24;
    constexpr int kFeatures = 3;
    std::vector<double> x(kRows * kFeatures);
    std::vector<double> y(kRows);
    for (std::size_t cell = 0; cell < x.size(); ++cell) x[cell] = static_cast<double>(cell * 7919 % 101);
    for (std::size_t row = 0; row < y.size(); ++row) y[row] = static_cast<double>(row % 2);
    std::vector<std::int64_t> training(16);
    std::vector<std::int64_t> validation(8);
    std::iota(training.begin(), training.end(), 0);
    std::iota(validation.begin(), validation.end(), 16);
    return {{x.data(), y.data(), kRows, kFeatures, 1, 2}, training, validation, true};
}

class Run {
  public:
    explicit Run(Choices& choices) : choices_(choices), count_(1 + choices.below(6)), folds_(1 + choices.below(2)) {
        for (int candidate = 0; candidate < count_; ++candidate) {
            Settings& made = settings_.emplace_back(choices.settings());
            if (made.hidden.size() > 1) made.hidden.resize(1);
            made.activations.resize(made.hidden.size());
        }
        rules_.continuation = choices.option<Continuation>(2);
        std::vector<Fold> folds;
        for (int fold = 0; fold < folds_; ++fold) folds.push_back({data(), rules_});
        const int known = choices.rarely() ? count_ - 1 : count_;
        auto candidates = std::make_unique<Candidates>(
            folds, std::vector(settings_.begin(), settings_.begin() + known), count_, 2,
            choices.rarely() ? choices.integer<std::int64_t>() : choices.pick({0, 1, 4000}));
        tuner_ = std::make_unique<Tuner>(
            std::move(candidates),
            TunerSettings{.ladder = {.algorithm = choices.option<Algorithm>(3),
                                     .promotion = choices.option<Promotion>(3),
                                     .max_total_epochs = choices.pick({0, 0, 3, 9}),
                                     .stop_score = choices.number(),
                                     .patience = choices.pick({0, 0, 1, 5})},
                          .threads = 1 + choices.below(2),
                          .schedule = choices.option<Schedule>(2),
                          .workers = choices.rarely() ? choices.integer<int>() % 99 : 1 + choices.below(4),
                          .keep = 1 + choices.below(3)});
    }

    void go() {
        for (int state = choices_.below(6); state > 0; --state) {
            const Job job = some_job();
            accepted([&] { tuner_->restore_state(job.candidate, job.rung, some_states(job)); });
        }
        if (choices_.coin()) accepted([&] { tuner_->restore(some_jobs(), some_steps(), {}, choices_.number()); });
        if (choices_.rarely()) tuner_->stop();
        tuner_->start();
        accepted([&] { wait(); });
        look();
        for (int job = choices_.below(3); job > 0; --job) {
            const Job own = some_job();
            accepted([&] { tuner_->fill(own.candidate, own.rung, some_states(own)); });
            tuner_->states(own.candidate, own.rung);
        }
        accepted([&] { tuner_->complete(choices_.below(4), [] { return false; }); });
    }

  private:
    static const Data& data() {
        static const Data kData = make_data();
        return kData;
    }

    Job some_job() {
        if (choices_.rarely()) return {choices_.integer<std::int32_t>(), choices_.integer<std::int32_t>(), 1};
        return {choices_.below(count_), choices_.below(3), 1};
    }

    // Returns states, usually with the sizes and epochs of the candidate, sometimes with wrong ones.
    std::vector<State> some_states(const Job& job) {
        const bool known = job.candidate >= 0 && job.candidate < count_ && job.rung >= 0 && job.rung < 3;
        const Settings& settings = settings_[known ? static_cast<std::size_t>(job.candidate) : 0];
        std::vector<State> states;
        for (int fold = choices_.rarely() ? choices_.below(4) : folds_; fold > 0; --fold) {
            State& state = states.emplace_back(initial_state(data().shape(), settings, 0, 0));
            if (choices_.rarely()) state.weights = AlignedFloats(choices_.below(99));
            if (choices_.rarely()) state.second_moment = AlignedFloats(choices_.below(99));
            if (choices_.coin() && state.weights.size() > 0)
                *state.weights.data() = static_cast<float>(choices_.number());
            state.epochs = known ? rules_.epochs_of_state(job.rung) : 1;
            if (choices_.rarely()) state.epochs = choices_.integer<std::int64_t>();
            if (choices_.rarely()) state.updates = choices_.integer<std::int64_t>();
            state.beta1_power = choices_.number();
        }
        return states;
    }

    std::vector<KnownJob> some_jobs() {
        std::vector<KnownJob> jobs;
        for (int job = choices_.below(12); job > 0; --job) {
            KnownJob& made = jobs.emplace_back();
            made.record.task.job = some_job();
            made.record.score = choices_.number();
            made.record.loss = choices_.number();
            made.record.weights_hash = choices_.coin() ? 0 : choices_.integer<std::uint64_t>();
            made.record.diverged = is_diverged(made.record.score, made.record.loss);
            if (!made.record.diverged) made.fold_scores.assign(static_cast<std::size_t>(folds_), made.record.score);
        }
        return jobs;
    }

    std::vector<Step> some_steps() {
        std::vector<Step> steps;
        for (int step = choices_.below(24); step > 0; --step) {
            const Job job = some_job();
            steps.push_back({job.candidate, job.rung, choices_.coin()});
        }
        return steps;
    }

    void wait() {
        while (!tuner_->wait(1.0)) {
            if (tuner_->wanted() > 0) tuner_->provide({settings_.back()});
        }
    }

    void look() const {
        std::set<std::pair<std::int32_t, std::int32_t>> jobs;
        for (const JobRecord& each : tuner_->jobs()) {
            if (!jobs.insert({each.task.job.candidate, each.task.job.rung}).second)
                std::abort();  // the job ended twice
        }
        for (const Kept& each : tuner_->kept()) {
            if (!jobs.contains({each.candidate, each.rung})) std::abort();  // the job never ended
        }
        tuner_->memory();
    }

    Choices& choices_;
    int count_;
    int folds_;
    JobRules rules_{.kernels = kernels(""), .seed = 7};
    std::vector<Settings> settings_;
    std::unique_ptr<Tuner> tuner_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    Choices choices(bytes, size);
    accepted([&] { Run(choices).go(); });
    return 0;
}
